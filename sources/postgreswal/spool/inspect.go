package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Rights of access(2).
const (
	mayRead  = 4
	mayWrite = 2
	mayEnter = 1
)

// FolderError says why a folder cannot be a spool, and what to do.
type FolderError struct{ Text, Fix string }

// Error is part of error.
func (e *FolderError) Error() string { return e.Text + ": " + e.Fix }

// Folder describes the folder of a spool.
type Folder struct {
	Exists bool   // [Open] need not make it
	Parent string // the folder itself, or the nearest one above it that exists
	Bytes  int64  // size of the segments
	Owner  int    // user of the folder, if it exists
}

// Inspect reports whether [Open] would accept a folder. It changes nothing, and does not lock the folder, so a running gateway may use it. The
// error is a [*FolderError].
func Inspect(dir, identity string) (Folder, error) {
	parent, info, err := nearest(dir)
	if err != nil {
		return Folder{}, accessError(dir, err)
	}
	user := os.Geteuid()
	f := Folder{Exists: parent == dir, Parent: parent, Owner: user}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && f.Exists {
		f.Owner = int(stat.Uid)
	}
	switch {
	case !info.IsDir():
		return f, &FolderError{parent + " is not a folder", "name another path"}
	case f.Owner != user && user != 0: // Open sets the mode, which only the owner and root may do
		return f, &FolderError{fmt.Sprintf("the folder %s belongs to the user %d, and the gateway runs as the user %d", dir, f.Owner, user), fmt.Sprintf("chown -R %d %s", user, dir)}
	}
	if err := syscall.Access(parent, mayRead|mayWrite|mayEnter); err != nil {
		return f, accessError(parent, err)
	}
	if !f.Exists {
		return f, nil
	}
	return f, f.inspectFiles(dir, identity)
}

// nearest returns the folder if it exists, else the nearest one above it that does.
func nearest(dir string) (string, fs.FileInfo, error) {
	for {
		info, err := os.Stat(dir)
		above := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || above == dir {
			return dir, info, err
		}
		dir = above
	}
}

// inspectFiles checks the files of a folder that exists, and sets Bytes.
func (f *Folder) inspectFiles(dir, identity string) error {
	if err := checkOwnFolder(dir); err != nil {
		return folderError(dir, err)
	}
	segments, err := listSegments(dir)
	if err != nil {
		return accessError(dir, err)
	}
	paths := []string{filepath.Join(dir, lockFile), filepath.Join(dir, identityFile)}
	for _, previous := range segments {
		paths = append(paths, segmentPath(dir, previous))
	}
	for i, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) { // not made yet, or trimmed meanwhile
			continue
		}
		if err == nil {
			err = syscall.Access(path, mayRead|mayWrite)
		}
		if err != nil {
			return accessError(path, err)
		}
		if i > 1 {
			f.Bytes += info.Size()
		}
	}
	stored, err := os.ReadFile(paths[1])
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return accessError(paths[1], err)
	}
	if strings.TrimSuffix(string(stored), "\n") != identity {
		return newIdentityError(dir, string(stored), identity)
	}
	return nil
}

// folderError returns err as a [*FolderError].
func folderError(path string, err error) error {
	if e := (*FolderError)(nil); errors.As(err, &e) {
		return e
	}
	return accessError(path, err)
}

// accessError returns the error that a file or folder cannot be read or written.
func accessError(path string, err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		err = number // its text has no path
	}
	fix := fmt.Sprintf("let the user %d of the gateway read and write it, or name another path", os.Geteuid())
	if errors.Is(err, syscall.EROFS) {
		fix = "name a folder on a disk that can be written"
	}
	return &FolderError{fmt.Sprintf("the spool cannot be kept in %s: %v", path, err), fix}
}
