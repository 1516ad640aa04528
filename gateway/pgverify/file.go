package pgverify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// fileInput is a file of events, with those that the sink file has renamed beside it. They are read one after the other, in the
// order in which they were written, also if the sink renames the file meanwhile.
type fileInput struct {
	path  string
	file  *os.File // is read; nil before the first one
	name  string   // under which it was opened
	lines *lineReader
	whole bool // nothing is appended to it: it is compressed
}

// renamedSuffix is what the sink file appends to the name of a file that it renames; it sorts by time.
const renamedSuffix = ".20060102T150405.000000000Z"

// paths returns the files in the order in which they were written. One that was compressed afterwards ends with .gz.
func (in *fileInput) paths() ([]string, error) {
	dir, name := filepath.Split(in.path)
	entries, err := os.ReadDir(filepath.Join(dir, "."))
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if tail, ok := strings.CutPrefix(e.Name(), name); ok {
			if _, err := time.Parse(renamedSuffix, strings.TrimSuffix(tail, ".gz")); err == nil {
				paths = append(paths, dir+e.Name())
			}
		}
	}
	slices.Sort(paths)
	return append(paths, in.path), nil
}

func (in *fileInput) read(ctx context.Context, f func(item) error) error {
	if in.file == nil {
		if err := in.next(); err != nil {
			return err
		}
	}
	for {
		last, err := in.isLast() // first, because nothing is appended to a file that was renamed
		if err == nil {
			err = in.rewind()
		}
		if err == nil {
			err = in.lines.read(ctx, !last || in.whole, f)
		}
		if err != nil || last {
			return err
		}
		if err := in.next(); err != nil {
			return err
		}
	}
}

// isLast reports whether the file is at the path, or was there and no other one is yet.
func (in *fileInput) isLast() (bool, error) {
	info, err := in.file.Stat()
	if err != nil {
		return false, err
	}
	at, err := os.Stat(in.path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err == nil && os.SameFile(info, at), err
	}
	paths, err := in.paths()
	if err != nil {
		return false, err
	}
	i, err := in.index(paths, in.file, in.name)
	return i >= len(paths)-2, err // the next one is made with the next event
}

// rewind goes back to the begin of a file that was emptied.
func (in *fileInput) rewind() error {
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	at, err := in.file.Seek(0, io.SeekCurrent)
	if err != nil || info.Size() >= at {
		return err
	}
	in.lines.in.Reset(in.file)
	in.lines.line, in.lines.number = nil, 0
	_, err = in.file.Seek(0, io.SeekStart)
	return err
}

// next opens the file that follows the open one, or the first one.
func (in *fileInput) next() error {
	for {
		paths, err := in.paths()
		if err != nil {
			return err
		}
		before, err := in.index(paths, in.file, in.name)
		if err != nil {
			return err
		}
		name := paths[min(before+1, len(paths)-1)]
		file, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) && (name != in.path || in.file != nil) { // it was renamed, compressed, or deleted
			continue
		} else if err != nil {
			return err
		}
		if follows, err := in.follows(file, name); err != nil || !follows { // the sink has renamed files meanwhile
			file.Close()
			if err != nil {
				return err
			}
			continue
		}
		in.close()
		in.file, in.name = file, name
		in.lines, in.whole, err = newLineReader(name, file)
		return err
	}
}

// follows reports whether no file is between the open one and another one.
func (in *fileInput) follows(file *os.File, name string) (bool, error) {
	paths, err := in.paths()
	if err != nil {
		return false, err
	}
	before, err := in.index(paths, in.file, in.name)
	if err != nil {
		return false, err
	}
	at, err := in.index(paths, file, name)
	return at == min(before+1, len(paths)-1), err
}

// index returns the index of an open file in paths, which had a name before; -1 for nil. A file that is not there any more counts as
// the last one before the file at the path.
func (in *fileInput) index(paths []string, file *os.File, name string) (int, error) {
	if file == nil {
		return -1, nil
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	is := func(i int) bool {
		at, err := os.Stat(paths[i])
		return err == nil && os.SameFile(info, at)
	}
	if i := slices.Index(paths, name); i >= 0 && is(i) {
		return i, nil
	}
	for i := len(paths) - 1; i >= 0; i-- {
		if is(i) {
			return i, nil
		}
	}
	return len(paths) - 2, nil
}

func (in *fileInput) rescan(ctx context.Context, f func(item) error) (bool, error) {
	first := &fileInput{path: in.path}
	defer first.close()
	return true, first.read(ctx, f)
}

func (in *fileInput) grows() bool  { return !in.whole }
func (in *fileInput) note() string { return "" }

func (in *fileInput) close() {
	if in.file != nil {
		in.file.Close()
	}
}

// pipeInput is the standard input, or another one that can be read only once.
type pipeInput struct {
	name string
	in   io.ReadCloser
	done bool
}

// openFile returns the input at a path.
func openFile(path string) (input, error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		return &fileInput{path: path}, err
	}
	file, err := os.Open(path)
	return &pipeInput{name: path, in: file}, err
}

func (in *pipeInput) read(ctx context.Context, f func(item) error) error {
	if in.done {
		return nil
	}
	in.done = true
	lines, _, err := newLineReader(in.name, in.in)
	if err != nil {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	return lines.read(ctx, true, f)
}

func (in *pipeInput) rescan(context.Context, func(item) error) (bool, error) { return false, nil }
func (in *pipeInput) grows() bool                                            { return false }
func (in *pipeInput) note() string                                           { return "" }
func (in *pipeInput) close()                                                 { in.in.Close() }
