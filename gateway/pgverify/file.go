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

// fileInput is a file of events, with those that the sink file has renamed beside it.
type fileInput struct {
	path  string
	open  *os.File // nil if nothing is appended to what was read last
	lines *lineReader
	begun bool
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
	if !in.begun {
		in.begun = true
		paths, err := in.paths()
		if err != nil {
			return err
		}
		return in.readFiles(ctx, paths, f)
	}
	if in.open == nil {
		return nil
	}
	next, err := in.renamed() // first, because nothing is appended to a file that was renamed
	if err != nil {
		return err
	}
	if err := in.readOpen(ctx, next != nil, f); err != nil || next == nil {
		return err
	}
	return in.readFiles(ctx, next, f)
}

// readOpen reads what was appended to the open file, from its begin if it was emptied.
func (in *fileInput) readOpen(ctx context.Context, ends bool, f func(item) error) error {
	info, err := in.open.Stat()
	if err != nil {
		return err
	}
	at, err := in.open.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if info.Size() < at {
		if _, err := in.open.Seek(0, io.SeekStart); err != nil {
			return err
		}
		in.lines.in.Reset(in.open)
		in.lines.line, in.lines.number = nil, 0
	}
	return in.lines.read(ctx, ends, f)
}

// renamed returns the files that were begun after the open one, nil if that is still at its path.
func (in *fileInput) renamed() ([]string, error) {
	is, err := in.open.Stat()
	if err != nil {
		return nil, err
	}
	if at, err := os.Stat(in.path); errors.Is(err, fs.ErrNotExist) { // the next one is made with the next event
		return nil, nil
	} else if err != nil || os.SameFile(is, at) {
		return nil, err
	}
	paths, err := in.paths()
	if err != nil {
		return nil, err
	}
	for i, path := range paths {
		if at, err := os.Stat(path); err == nil && os.SameFile(is, at) {
			return paths[i+1:], nil
		}
	}
	return []string{in.path}, nil
}

// readFiles reads whole files. The last one stays open.
func (in *fileInput) readFiles(ctx context.Context, paths []string, f func(item) error) error {
	for i, path := range paths {
		in.close()
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		in.open = file
		var compressed bool
		if in.lines, compressed, err = newLineReader(path, file); err != nil {
			return err
		}
		ends := compressed || i < len(paths)-1
		if err := in.lines.read(ctx, ends, f); err != nil {
			return err
		}
		if ends {
			in.close()
		}
	}
	return nil
}

func (in *fileInput) rescan(ctx context.Context, f func(item) error) (bool, error) {
	paths, err := in.paths()
	if err != nil {
		return false, err
	}
	whole := &fileInput{path: in.path}
	defer whole.close()
	return true, whole.readFiles(ctx, paths, f)
}

func (in *fileInput) grows() bool  { return in.open != nil }
func (in *fileInput) note() string { return "" }

func (in *fileInput) close() {
	if in.open != nil {
		in.open.Close()
		in.open = nil
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
