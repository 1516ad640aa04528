package app

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the files must be left alone before they are read: editors
// write in several steps.
const settle = 200 * time.Millisecond

// watch reloads on SIGHUP, and when the content of a configuration file has
// changed, until ctx ends. It watches folders, not files: editors and Kubernetes
// replace files, and a watch of the old one sees nothing any more.
func (g *gateway) watch(ctx context.Context) {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w := g.watchFolders(); w != nil {
		defer w.Close()
		events, errs = w.Events, w.Errors
	}
	quiet := time.NewTimer(settle) // a change since the start is found as well
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.reloads.hangups:
			g.reloads.seen = fingerprint(g.reloads.files)
			g.reload(ctx, "SIGHUP")
		case <-events:
			quiet.Reset(settle)
		case err := <-errs:
			g.log.Warn("changes of the configuration files may go unnoticed; SIGHUP has them read", "error", err)
			quiet.Reset(settle)
		case <-quiet.C:
			if now := fingerprint(g.reloads.files); now != g.reloads.seen {
				g.reloads.seen = now
				g.reload(ctx, "a configuration file was changed")
			}
		}
	}
}

// watchFolders watches the folders of the files, and of what symbolic links lead to.
// Where it cannot, SIGHUP still works.
func (g *gateway) watchFolders() *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		g.log.Warn("changes of the configuration files are not noticed; SIGHUP has them read", "error", err)
		return nil
	}
	for _, file := range g.reloads.files {
		dirs := []string{filepath.Dir(file)}
		if real, err := filepath.EvalSymlinks(file); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
		for _, dir := range dirs {
			if err := w.Add(dir); err != nil {
				g.log.Warn("changes of the configuration files there are not noticed; SIGHUP has them read", "folder", dir, "error", err)
			}
		}
	}
	return w
}

// fingerprint tells whether the content of any file has changed.
func fingerprint(files []string) [sha256.Size]byte {
	h := sha256.New()
	for _, file := range files {
		text, err := os.ReadFile(file)
		sum := sha256.Sum256(text)
		h.Write(sum[:])
		if err != nil {
			h.Write([]byte("missing"))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
