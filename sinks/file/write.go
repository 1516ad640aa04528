package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

type sink struct {
	opts     Options
	file     *os.File
	size     int64
	torn     bool   // the last line is incomplete
	measured bool   // size and torn are known
	lines    []byte // scratch
}

// Open is part of [plugin.Opener]. A file that is open is closed.
func (s *sink) Open(ctx context.Context) error { return plugin.Unavailable(s.open(ctx)) }

func (s *sink) open(context.Context) error {
	f, err := os.OpenFile(s.opts.Path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", s.opts.Path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if s.file != nil {
		_ = s.file.Close() // its content was written, and synced if configured
	}
	s.file, s.measured = f, false
	return s.syncFolder()
}

// measure reads the size of the file, and whether its last line is complete. It is called before the
// first write, and not by Open: at a reload the predecessor still writes while the sink is opened.
func (s *sink) measure() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if info.Size() > 0 {
		if _, err := s.file.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
	}
	s.size, s.torn, s.measured = info.Size(), last[0] != '\n', true
	return nil
}

// Close is part of [plugin.Closer].
func (s *sink) Close(context.Context) error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// Write is part of [plugin.Sink]: one write for the whole batch. A retry writes all of it again,
// which may repeat lines. An incomplete line gets an end first, so that it damages no other. A full
// disk, or a missing folder, is no event's failure.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	return plugin.Unavailable(s.append(ctx, events))
}

func (s *sink) append(ctx context.Context, events []*event.Event) error {
	if !s.measured {
		if err := s.measure(); err != nil {
			return err
		}
	}
	s.lines = s.lines[:0]
	if s.torn {
		s.lines = append(s.lines, '\n')
	}
	for _, e := range events {
		if s.opts.Format == "payload" {
			s.lines = event.AppendPayloadLine(s.lines, e.Data)
		} else {
			s.lines = event.AppendLine(s.lines, e)
		}
	}
	if err := s.rotate(ctx, int64(len(s.lines))); err != nil {
		return err
	}
	n, err := s.file.Write(s.lines)
	s.size += int64(n)
	if n > 0 {
		s.torn = s.lines[n-1] != '\n'
	}
	if err == nil && s.opts.Sync == "always" {
		err = s.file.Sync()
	}
	return err
}

// rotate begins a new file if n more bytes exceed rotate.size, or if another program has renamed or
// deleted the file.
func (s *sink) rotate(ctx context.Context, n int64) error {
	atPath, err := os.Stat(s.opts.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	opened, serr := s.file.Stat()
	if serr != nil {
		return serr
	}
	gone := err != nil || !os.SameFile(atPath, opened)
	full := s.opts.Rotate.Size > 0 && s.size > 0 && s.size+n > int64(s.opts.Rotate.Size)
	if !gone && !full {
		return nil
	}
	if !gone {
		if err := os.Rename(s.opts.Path, s.opts.Path+time.Now().UTC().Format(timeSuffix)); err != nil {
			return err
		}
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.prune()
}

// timeSuffix is appended to the names of renamed files; it sorts by time.
const timeSuffix = ".20060102T150405.000000000Z"

// prune deletes the oldest of the renamed files.
func (s *sink) prune() error {
	if s.opts.Rotate.Keep == 0 {
		return nil
	}
	dir, name := filepath.Split(s.opts.Path)
	entries, err := os.ReadDir(filepath.Dir(s.opts.Path))
	if err != nil {
		return err
	}
	var old []string
	for _, e := range entries {
		if tail, ok := strings.CutPrefix(e.Name(), name); ok {
			if _, err := time.Parse(timeSuffix, tail); err == nil {
				old = append(old, e.Name())
			}
		}
	}
	slices.Sort(old)
	for _, name := range old[:max(0, len(old)-s.opts.Rotate.Keep)] {
		err = errors.Join(err, os.Remove(dir+name))
	}
	return err
}

// syncFolder syncs the folder, so that a file which was created or renamed survives a power failure.
func (s *sink) syncFolder() error {
	if s.opts.Sync != "always" {
		return nil
	}
	dir, err := os.Open(filepath.Dir(s.opts.Path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
