package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	lockFile        = "lock"
	identityFile    = "identity"
	newIdentityFile = identityFile + ".new"
)

// lockFolder makes the folder, and locks it. The lock ends when the returned file is closed, or when the process ends.
func lockFolder(dir string) (*os.File, error) {
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("cannot make the folder of the spool: %w", err)
	}
	if err := checkOwnFolder(dir); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot protect the folder of the spool: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the spool: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another process uses the spool %s (%w): give each source a folder of its own", dir, err)
	}
	return lock, nil
}

// makeFolder makes the folder and those above it. It syncs them, so that they survive a crash of the host.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return realDisk.syncDir(filepath.Dir(dir))
}

// checkOwnFolder returns an error if the folder has files that are not those of a spool.
func checkOwnFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot read the folder of the spool: %w", err)
	}
	for _, e := range entries {
		if e.Name() == identityFile {
			return nil
		}
	}
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != newIdentityFile {
			return &FolderError{fmt.Sprintf("the folder %s has the file %s, and is no spool", dir, e.Name()), "name an empty folder"}
		}
	}
	return nil
}

// checkIdentity compares the identity with the one in the folder. A new folder gets it.
func (s *Spool) checkIdentity(identity string) error {
	path := filepath.Join(s.dir, identityFile)
	stored, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return s.writeIdentity(path, identity)
	case err != nil:
		return fmt.Errorf("cannot read the identity of the spool: %w", err)
	case strings.TrimSuffix(string(stored), "\n") != identity:
		return newIdentityError(s.dir, string(stored), identity)
	}
	return nil
}

func newIdentityError(dir, stored, identity string) error {
	return &FolderError{fmt.Sprintf("the spool %s belongs to %s, and not to %s", dir, strings.TrimSpace(stored), identity), "name another folder, or delete this one"}
}

// writeIdentity writes the file atomically: after a crash it is complete, or missing.
func (s *Spool) writeIdentity(path, identity string) error {
	f, err := os.OpenFile(filepath.Join(s.dir, newIdentityFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the identity of the spool: %w", err)
	}
	_, err = f.WriteString(identity + "\n")
	if err = errors.Join(err, s.disk.sync(f), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = s.disk.syncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("cannot write the identity of the spool: %w", err)
	}
	return nil
}

// disk has the operations that fail if a disk is full or broken. Tests replace it.
type disk struct {
	writeAt func(f *os.File, b []byte, offset int64) (int, error)
	sync    func(f *os.File) error
	syncDir func(dir string) error
}

var realDisk = disk{
	writeAt: func(f *os.File, b []byte, offset int64) (int, error) { return f.WriteAt(b, offset) },
	sync:    (*os.File).Sync,
	syncDir: func(dir string) error {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	},
}
