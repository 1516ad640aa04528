package spool

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Trim deletes the segments that end at a commit or before it, when all transactions up to that commit are acked.
// It keeps the last segment while that is small, so that frequent calls do not make many files. A reader can finish the
// segment that it has begun.
func (s *Spool) Trim(commit uint64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.deleteUntil(commit); err != nil {
		return err
	}
	w := &s.writer
	if w.failed != nil || w.commit > commit || w.commits != w.offset() || w.offset()-w.carried < minSegmentBytes {
		return nil
	}
	if err := s.roll(); err != nil {
		return err
	}
	return s.deleteUntil(commit)
}

// deleteUntil deletes the segments that end at a commit or before, except for the last.
func (s *Spool) deleteUntil(commit uint64) error {
	for {
		seg := s.dropFirst(commit)
		if seg == nil {
			return nil
		}
		if err := remove(seg); err != nil {
			return err
		}
		s.size.Add(-seg.end)
		if err := s.disk.syncDir(s.dir); err != nil { // otherwise a crash of the host could leave this segment, and not the next
			return s.diskError(err)
		}
	}
}

// dropFirst removes the first segment from the list, and returns it. It returns nil if that must stay.
func (s *Spool) dropFirst(commit uint64) *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) < 2 || s.segments[0].last > commit {
		return nil
	}
	first := s.segments[0]
	s.segments = slices.Clone(s.segments[1:])
	return first
}

// Clear deletes all records, also those that are synced, because their slot is lost or the spool is damaged. Readers go on with
// what is appended next. After an error, the spool must be closed and opened again.
func (s *Spool) Clear() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	old := s.segments
	s.segments, s.end = nil, 0
	s.cleared.Add(1)
	s.mu.Unlock()
	err := s.writer.file.Close()
	for _, seg := range slices.Backward(old) { // from the last one, so that an interrupted Clear leaves no hole
		err = errors.Join(err, remove(seg))
	}
	s.size.Store(0)
	s.writer.relations = nil
	if err == nil {
		err = s.newSegment(0)
	}
	if err != nil {
		s.writer.failed = err
	}
	return err
}

func remove(seg *segment) error {
	if err := os.Remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot delete what is not needed of the spool: %w", err)
	}
	return nil
}
