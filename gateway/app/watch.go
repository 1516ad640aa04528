package app

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"eventgateway/gateway/internal/config"
)

// settleTime is how long the files must be left alone before they are read: editors
// write in several steps.
const settleTime = 200 * time.Millisecond

// poll is how often the files are read where no notification comes: on a network mount, and
// where a folder of the path was moved, or is a symbolic link that was switched.
const poll = 2 * time.Second

// watch reloads on SIGHUP, and when the content of a configuration file has
// changed, until ctx ends. It watches folders, not files: editors and Kubernetes
// replace files, and a watch of the old one sees nothing any more. Notifications only
// hasten what polling finds.
func (g *gateway) watch(ctx context.Context) {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w := g.watchFolders(); w != nil {
		defer w.Close()
		events, errs = w.Events, w.Errors
	}
	quiet := time.NewTimer(settleTime) // a change since the start is found as well
	ticks := time.NewTicker(poll)
	defer ticks.Stop()
	failed := false // and that was said
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.reloads.hangups:
			if now, err := g.reloads.look(ctx); err == nil { // else the reload tells what is wrong
				g.reloads.seen = now
			}
			g.reload(ctx, "SIGHUP")
		case <-events:
			quiet.Reset(settleTime)
		case <-ticks.C:
			quiet.Reset(settleTime)
		case <-errs: // notifications were lost
			quiet.Reset(settleTime)
		case <-quiet.C:
			now, err := g.reloads.look(ctx)
			switch {
			case ctx.Err() != nil:
			case err != nil && !failed:
				g.log.Warn("changes of the configuration files go unnoticed while they cannot be read", "error", err)
			case err != nil:
			case now != g.reloads.seen:
				g.reloads.seen = now
				g.reload(ctx, "a configuration file was changed")
			}
			failed = err != nil
		}
	}
}

// watchFolders watches the folders of the files, and of what symbolic links lead to.
// Where it cannot, polling finds what has changed.
func (g *gateway) watchFolders() *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		g.log.Warn("the configuration files are only polled", "every", poll.String(), "error", err)
		return nil
	}
	for _, file := range g.reloads.files {
		if _, pipe := g.reloads.pipes[file]; pipe {
			continue // it never changes
		}
		dirs := []string{filepath.Dir(file)}
		if real, err := filepath.EvalSymlinks(file); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
		for _, dir := range dirs {
			if err := w.Add(dir); err != nil {
				g.log.Warn("the configuration files there are only polled", "folder", dir, "every", poll.String(), "error", err)
			}
		}
	}
	return w
}

// look returns the fingerprint of the files.
func (r *reloads) look(ctx context.Context) (now [sha256.Size]byte, err error) {
	var got [sha256.Size]byte
	if err := r.reading.do(ctx, func() { got = fingerprint(r.files, r.pipes) }); err != nil {
		return now, err
	}
	return got, nil
}

// fingerprint tells whether the content of any file has changed.
func fingerprint(files []string, pipes config.Pipes) [sha256.Size]byte {
	h := sha256.New()
	for _, file := range files {
		text, err := pipes.Read(file)
		sum := sha256.Sum256(text)
		h.Write(sum[:])
		if err != nil { // another reason is another configuration
			h.Write([]byte(err.Error()))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
