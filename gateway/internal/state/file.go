package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"eventgateway/gateway/diskspace"
	"eventgateway/gateway/plugin"
)

// fileStore stores each value in a file of its own: DIR/SCOPE/KEY. The file DIR/SCOPE/.lock has the highest term, and its lock
// orders gateways that share the folder.
type fileStore struct {
	dir string
	mu  sync.Mutex // orders the writers of this process
}

func (s *fileStore) folder(scope Scope) string {
	return filepath.Join(s.dir, filepath.FromSlash(string(scope)))
}

func (s *fileStore) get(_ context.Context, scope Scope, key string) ([]byte, error) {
	value, err := os.ReadFile(filepath.Join(s.folder(scope), key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return value, plugin.Unavailable(err)
}

func (s *fileStore) put(ctx context.Context, scope Scope, key string, value []byte, term int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := s.folder(scope)
	if err := makeFolder(dir); err != nil {
		return plugin.Unavailable(err)
	}
	lock, err := lockFolder(ctx, dir)
	if err != nil {
		return plugin.Unavailable(err)
	}
	defer lock.Close() // also unlocks
	if err := raiseTerm(lock, term); err != nil {
		return err
	}
	if len(value) > 0 {
		return plugin.Unavailable(replaceFile(dir, key, value))
	}
	if err := os.Remove(filepath.Join(dir, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plugin.Unavailable(err)
	}
	return plugin.Unavailable(syncFolder(dir))
}

// makeFolder creates a folder, and those above it, durably.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// lockFolder returns the locked file .lock of a folder. Another process has the lock only as long as it stores a value.
func lockFolder(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another process has locked %s: %w", dir, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// raiseTerm stores the term of a leader in the file .lock. It fails if a later one is stored. 0 is no leader.
func raiseTerm(lock *os.File, term int64) error {
	if term == 0 {
		return nil
	}
	text, err := io.ReadAll(lock)
	if err != nil {
		return plugin.Unavailable(err)
	}
	known := int64(0)
	if len(text) > 0 && json.Unmarshal(text, &known) != nil {
		return fmt.Errorf("the file %s does not hold a term: delete it", lock.Name())
	}
	switch {
	case known > term:
		return fenced(term, known)
	case known == term:
		return nil
	}
	// It is overwritten in place, because the lock belongs to this file. One write of a few bytes is atomic; the text never becomes shorter.
	text, _ = json.Marshal(term)
	if _, err := lock.WriteAt(text, 0); err != nil {
		return plugin.Unavailable(err)
	}
	return plugin.Unavailable(lock.Sync())
}

// replaceFile replaces a file of a folder durably. The folder is locked, so that the name of the new file is free. A crash leaves it
// behind, and the next call overwrites it.
func replaceFile(dir, name string, text []byte) error {
	next := filepath.Join(dir, ".new-"+name)
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncFolder(dir)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// unusable returns the error of a folder in which nothing can be stored.
func unusable(dir string, err error) error {
	return fmt.Errorf("the state of components cannot be stored in %s: %w: set state.path to a folder that the gateway may write, or state.url to a Redis or PostgreSQL", dir, err)
}

// CheckFolder returns an error if the user of this process cannot store the state in a folder. It changes nothing.
func CheckFolder(dir string) error {
	if _, err := diskspace.Folder(dir); err != nil {
		return unusable(dir, err)
	}
	return nil
}

// Prepare is part of [Store].
func (s *fileStore) Prepare(context.Context) error {
	err := makeFolder(s.dir)
	if err == nil {
		err = checkWritable(s.dir)
	}
	if err != nil {
		return unusable(s.dir, err)
	}
	return nil
}

// checkWritable writes and removes a file of a name of its own, because other gateways that share the folder may start now, too.
func checkWritable(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("The gateway can store the state of components here.\n")
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// Probe is part of [Store].
func (s *fileStore) Probe(context.Context) []plugin.Finding {
	if err := CheckFolder(s.dir); err != nil {
		return []plugin.Finding{{Level: plugin.Problem, Text: err.Error(), Fix: "mkdir -p " + s.dir}}
	}
	return []plugin.Finding{{Text: "the state of components can be stored in " + s.dir}}
}

// Close is part of [Store].
func (s *fileStore) Close() {}
