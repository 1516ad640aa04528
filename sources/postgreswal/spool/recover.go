package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// recover finds the segments, and cuts off what is behind the last complete transaction. In a new spool it makes a segment. It reads
// only the last segment, because no other can be torn.
func (s *Spool) recover() error {
	found, err := listSegments(s.dir)
	if err != nil {
		return fmt.Errorf("cannot read the folder of the spool: %w", err)
	}
	if len(found) == 0 {
		return s.newSegment(0)
	}
	last := len(found) - 1
	for i, previous := range found[:last] {
		seg := &segment{path: segmentPath(s.dir, previous), previous: previous, last: found[i+1]}
		info, err := os.Stat(seg.path)
		if err != nil {
			return fmt.Errorf("cannot read the spool: %w", err)
		}
		seg.end = info.Size()
		s.segments = append(s.segments, seg)
		s.size.Add(seg.end)
	}
	return s.recoverLast(found[last])
}

// recoverLast opens the last segment. If its header is not valid, a crash has torn it when it was made, and recoverLast makes it again.
func (s *Spool) recoverLast(previous uint64) error {
	path := segmentPath(s.dir, previous)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cannot open the spool: %w", err)
	}
	salt, valid, err := readHeader(f, previous)
	if err != nil || !valid {
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		return s.newSegment(previous)
	}
	if err := s.scanLast(f, previous, salt); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// scanLast reads the last segment, and cuts off what is behind the last commit.
func (s *Spool) scanLast(f *os.File, previous uint64, salt uint32) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot read the spool: %w", err)
	}
	w := writer{file: f, salt: salt, carried: int64(segmentHeader), commits: int64(segmentHeader), commit: previous}
	scan := scanner{file: f, name: f.Name(), salt: salt, offset: int64(segmentHeader), limit: info.Size()}
	for {
		r, kind, err := scan.next()
		if errors.Is(err, io.EOF) || errors.Is(err, ErrDamaged) {
			break
		}
		if err != nil {
			return err
		}
		w.pending.add(r.Data)
		if kind == carried {
			w.carried, w.commits = scan.offset, scan.offset
		} else if r.Commit > w.commit {
			w.commit, w.commits = r.Commit, scan.offset
			w.relations.merge(w.pending)
			w.pending = nil
		}
	}
	// An earlier process may have written records and not synced them. They become visible now, so they must be synced.
	if err = f.Truncate(w.commits); err == nil {
		err = s.disk.sync(f)
	}
	if err == nil {
		err = s.disk.syncDir(s.dir)
	}
	if err != nil {
		return s.diskError(err)
	}
	w.flushed, w.synced, w.pending = w.commits, w.commits, nil
	w.segment = &segment{path: f.Name(), previous: previous, last: w.commit, end: w.commits}
	s.writer, s.segments, s.end = w, append(s.segments, w.segment), w.commit
	s.size.Add(w.commits)
	return nil
}
