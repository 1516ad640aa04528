package spool

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Reader reads the visible records of a spool in order. One goroutine may use it at a time.
type Reader struct {
	spool   *Spool
	cleared int64    // Spool.cleared when the segment was opened
	segment *segment // nil before the first Next
	file    *os.File
	scan    scanner
	carried bool   // reading began at this segment, so its carried messages are returned
	last    uint64 // the last commit that was returned
	failed  error  // ErrDamaged, the result of each further Next
}

// NewReader returns a reader at the oldest record. The caller must close it.
func (s *Spool) NewReader() *Reader {
	return &Reader{spool: s, cleared: s.cleared.Load()}
}

// Next returns the next record, or false if all visible records were returned. It can be called again after false. Next does not
// wait for the writer. It returns complete transactions only, so it never returns false within a transaction.
//
// Where reading begins, the relation and type messages known there come first, with LSN 0. They belong to no transaction. Data
// is valid until the next call. ErrDamaged means that what was synced is missing or changed; it stays the result.
func (r *Reader) Next() (Record, bool, error) {
	for r.failed == nil {
		r.checkCleared()
		if r.segment == nil || r.scan.offset == r.scan.limit {
			if more, err := r.advance(); err != nil {
				return Record{}, false, err
			} else if !more {
				return Record{}, false, nil
			}
		}
		record, kind, err := r.scan.next()
		if err != nil {
			return Record{}, false, r.fail(err)
		}
		if kind == carried && !r.carried {
			continue
		}
		if record.Commit != 0 {
			r.last = record.Commit
		}
		return record, true, nil
	}
	return Record{}, false, r.failed
}

// checkCleared sets the reader back to the oldest record if the spool was cleared.
func (r *Reader) checkCleared() {
	if now := r.spool.cleared.Load(); now != r.cleared {
		r.cleared, r.segment = now, nil
	}
}

// fail returns an error, and makes it the result of each Next if the spool is damaged.
func (r *Reader) fail(err error) error {
	if errors.Is(err, ErrDamaged) {
		r.failed = err
	}
	return err
}

// advance makes records readable that have become visible. It reports whether there are any.
func (r *Reader) advance() (bool, error) {
	for {
		next, err := r.extend()
		if next == nil {
			return r.segment != nil && r.scan.offset < r.scan.limit, err
		}
		file, scan, err := next.open()
		if errors.Is(err, os.ErrNotExist) && r.spool.trimmed(next) {
			continue
		}
		if err != nil {
			return false, r.fail(fmt.Errorf("cannot open a part of the spool: %w", err))
		}
		r.Close()
		scan.buf = r.scan.buf[:0]
		r.carried = r.segment == nil || next.previous != r.last
		r.segment, r.file, r.scan, r.last = next, file, scan, next.previous
	}
}

// extend moves the limit to the end of what is visible in the segment. If the limit is there already, extend returns the next
// segment, or nil if there is none.
func (r *Reader) extend() (next *segment, err error) {
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	r.checkCleared()
	switch {
	case len(s.segments) == 0:
		return nil, nil
	case r.segment == nil:
		return s.segments[0], nil
	case r.scan.limit < r.segment.end:
		r.scan.limit = r.segment.end
		return nil, nil
	}
	at := slices.Index(s.segments, r.segment)
	if at == len(s.segments)-1 {
		return nil, nil
	}
	if r.last != r.segment.last {
		return nil, r.fail(fmt.Errorf("%s ends at commit %X instead of %X: %w", r.segment.path, r.last, r.segment.last, ErrDamaged))
	}
	return s.segments[at+1], nil // if it was trimmed, at is -1
}

// trimmed reports whether the segment is not in the list any more.
func (s *Spool) trimmed(seg *segment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.Contains(s.segments, seg)
}

// Close closes the reader's file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}
