package app

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
)

// quietPeriod is how long the files must be unchanged before they are read: editors
// write in several steps.
const quietPeriod = 200 * time.Millisecond

// pollInterval is the interval of reads without a notification: there is none on a network mount, and
// where a folder of the path was moved, or is a symbolic link that was changed.
const pollInterval = 2 * time.Second

// watch reloads on SIGHUP, by request of /api/reload, and when the content of a configuration file has
// changed, until ctx ends. It also loads changed certificates of the listeners, without a reload: so a certificate is
// renewed also while the configuration has an error. It watches folders, not files: editors
// and Kubernetes replace files, and a watch of a replaced file reports nothing. Notifications are only
// faster than polling.
func (g *gateway) watch(ctx context.Context) {
	defer close(g.reloader.ended)
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w := g.watchFolders(); w != nil {
		defer w.Close()
		events, errs = w.Events, w.Errors
	}
	quiet := time.NewTimer(quietPeriod) // also for a change since the configuration was loaded
	ticks := time.NewTicker(pollInterval)
	defer ticks.Stop()
	failed := false // the last read failed, and that was logged
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.reloader.hangups:
			g.reloadNow(ctx, "SIGHUP")
		case answer := <-g.reloader.requests:
			answer <- g.reloadNow(ctx, "request of /api/reload")
		case <-events:
			quiet.Reset(quietPeriod)
		case <-ticks.C:
			quiet.Reset(quietPeriod)
		case <-errs: // notifications were lost
			quiet.Reset(quietPeriod)
		case <-quiet.C:
			now, err := g.reloader.fingerprint(ctx)
			switch {
			case ctx.Err() != nil:
			case err != nil && !failed:
				g.log.Warn("configuration files cannot be read, changes are not noticed", "error", err)
			case err != nil:
			case now != g.reloader.loaded:
				g.reloader.loaded = now
				g.reload(ctx, "a configuration file was changed")
			}
			failed = err != nil
			g.refreshCertificates(ctx)
		}
	}
}

// reloadNow loads the configuration also where its files are unchanged.
func (g *gateway) reloadNow(ctx context.Context, reason string) admin.ReloadStatus {
	if now, err := g.reloader.fingerprint(ctx); err == nil { // else the reload reports the error
		g.reloader.loaded = now
	}
	return g.reload(ctx, reason)
}

// watchFolders watches the folders of the files, and those of the targets of symbolic links.
// After an error it logs a warning, since polling finds changes, too.
func (g *gateway) watchFolders() *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		g.log.Warn("configuration files are polled, not watched", "interval", pollInterval.String(), "error", err)
		return nil
	}
	for _, file := range append(g.tlsFiles(), g.reloader.files...) {
		if _, pipe := g.reloader.pipes[file]; pipe {
			continue // a pipe is read once
		}
		dirs := []string{filepath.Dir(file)}
		if real, err := filepath.EvalSymlinks(file); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
		for _, dir := range dirs {
			if err := w.Add(dir); err != nil {
				g.log.Warn("configuration folder is polled, not watched", "folder", dir, "interval", pollInterval.String(), "error", err)
			}
		}
	}
	return w
}

// fingerprint returns the fingerprint of the configuration files.
func (r *reloader) fingerprint(ctx context.Context) (now [sha256.Size]byte, err error) {
	var got [sha256.Size]byte
	if err := r.reading.do(ctx, func() { got = fingerprint(r.files, r.pipes) }); err != nil {
		return now, err
	}
	return got, nil
}

// fingerprint returns a hash of the content of files, and of the errors of reading them.
func fingerprint(files []string, pipes config.Pipes) [sha256.Size]byte {
	h := sha256.New()
	for _, file := range files {
		text, err := pipes.Read(file)
		sum := sha256.Sum256(text)
		h.Write(sum[:])
		if err != nil { // a change of the error counts as a change of the file
			h.Write([]byte(err.Error()))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
