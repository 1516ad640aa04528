package app

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
)

// quietPeriod is how long the files must be unchanged before they are read: editors
// write in several steps. A file that is written all the time is read after longestPostponement.
const (
	quietPeriod         = 200 * time.Millisecond
	longestPostponement = 2 * time.Second
)

// pollInterval is the interval of reads without a notification: there is none on a network mount, and
// where a folder of the path was moved, or is a symbolic link that was changed.
const pollInterval = 2 * time.Second

// watch reloads until ctx ends: on SIGHUP, by request of /api/reload, and after a change of a configuration file or of a file that
// an option of a component names. It also loads changed certificates of the listeners, without a reload: so a certificate is
// renewed also while the configuration has an error. It watches folders, not files: editors
// and Kubernetes replace files, and a watch of a replaced file reports nothing. Notifications are only
// faster than polling.
func (g *gateway) watch(ctx context.Context) {
	defer close(g.reloader.ended)
	g.reloader.useOptionFiles(g.cfg)
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w := g.watchFolders(); w != nil {
		defer w.Close()
		events, errs = w.Events, w.Errors
	}
	quiet := newQuiet() // also for a change since the configuration was loaded
	ticks := time.NewTicker(pollInterval)
	defer ticks.Stop()
	failed := false // the last read failed, and that was logged
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.reloader.hangups:
			g.reloadNow(ctx, "SIGHUP")
		case <-g.reloader.again:
			g.reloadNow(ctx, "replaced or removed components have ended")
		case answer := <-g.reloader.requests:
			answer <- g.reloadNow(ctx, "request of /api/reload")
		case e := <-events:
			switch {
			case g.isWatched(e.Name):
				quiet.postpone()
			case e.Has(fsnotify.Create) || e.Has(fsnotify.Rename) || e.Has(fsnotify.Remove): // perhaps of a link on the way to a file
				quiet.begin()
			}
		case <-ticks.C:
			quiet.begin()
		case <-errs: // notifications were lost
			quiet.begin()
		case <-quiet.C:
			quiet.end()
			now, err := g.reloader.fingerprint(ctx)
			switch {
			case ctx.Err() != nil:
			case err != nil && !failed:
				g.log.Warn("configuration files cannot be read", "error", err, "effect", "changes are not noticed")
			case err != nil:
			case now != g.reloader.loaded:
				g.reloader.loaded = now
				g.reload(ctx, "a file was changed")
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

// watchFolders watches the folders of the watched files, and those of the targets of symbolic links. Files that a reload adds are
// polled.
// After an error it logs a warning, since polling finds changes, too.
func (g *gateway) watchFolders() *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		g.log.Warn("configuration files are polled, not watched", "interval", pollInterval.String(), "error", err)
		return nil
	}
	for _, file := range g.watchedFiles() {
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

// watchedFiles returns the files whose changes take effect: those of the configuration, those that options of components name, and
// those of the certificates of the listeners.
func (g *gateway) watchedFiles() (files []string) {
	for _, file := range slices.Concat(g.reloader.files, g.reloader.optionFiles, g.tlsFiles()) {
		if _, pipe := g.reloader.pipes[file]; !pipe { // a pipe is read once
			files = append(files, file)
		}
	}
	return files
}

// isWatched reports whether a notification is about one of the files.
func (g *gateway) isWatched(name string) bool {
	return slices.ContainsFunc(g.watchedFiles(), func(file string) bool { return filepath.Clean(file) == filepath.Clean(name) })
}

// quiet fires when no watched file has changed for quietPeriod.
type quiet struct {
	*time.Timer
	began time.Time // of the present wait; zero: none
}

func newQuiet() *quiet { return &quiet{time.NewTimer(quietPeriod), time.Now()} }

// begin begins a wait, unless one is under way.
func (q *quiet) begin() {
	if q.began.IsZero() {
		q.began = time.Now()
		q.Reset(quietPeriod)
	}
}

// postpone begins a wait, or extends the present one, for longestPostponement at most.
func (q *quiet) postpone() {
	q.begin()
	q.Reset(min(quietPeriod, time.Until(q.began.Add(longestPostponement))))
}

// end ends the wait.
func (q *quiet) end() { q.began = time.Time{} }

// fingerprint reads the files, and returns their fingerprints.
func (r *reloader) fingerprint(ctx context.Context) (now fingerprints, err error) {
	var got fingerprints
	files := r.optionFiles
	if err := r.reading.do(ctx, func() { got = fingerprints{fingerprint(r.files, r.pipes.Read), fingerprint(files, readOptionFile)} }); err != nil {
		return now, err
	}
	return got, nil
}

// readOptionFile reads a file as an option that names it does.
func readOptionFile(file string) ([]byte, error) {
	var f options.File
	err := f.UnmarshalText([]byte(file))
	return f.Text(), err
}

// fingerprints are hashes of the content of files.
type fingerprints struct {
	config  [sha256.Size]byte // of the configuration files
	options [sha256.Size]byte // of those that options of components name
}

// fingerprint returns a hash of the content of files, and of the errors of reading them.
func fingerprint(files []string, read func(file string) ([]byte, error)) [sha256.Size]byte {
	h := sha256.New()
	for _, file := range files {
		text, err := read(file)
		sum := sha256.Sum256(text)
		h.Write(sum[:])
		if err != nil { // a change of the error counts as a change of the file
			h.Write([]byte(err.Error()))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// useOptionFiles notes the files that options of components name, with the content that the configuration has of them.
func (r *reloader) useOptionFiles(cfg *config.Config) {
	r.optionFiles = nil
	loaded := map[string][]byte{}
	for _, f := range cfg.Files() {
		r.optionFiles = append(r.optionFiles, f.Path())
		loaded[f.Path()] = f.Text()
	}
	r.loaded.options = fingerprint(r.optionFiles, func(file string) ([]byte, error) { return loaded[file], nil })
}
