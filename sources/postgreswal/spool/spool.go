package spool

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// ErrFull is the error of a spool that has reached its bound, or whose disk has no space.
var ErrFull = errors.New("the spool is full")

const (
	maxSegmentBytes = 16 << 20 // of records that were appended; a transaction is never split
	minSegmentBytes = 64 << 10
	bufferBytes     = 256 << 10
)

// Spool is an open spool. Its methods are safe for concurrent use, and do not block readers.
type Spool struct {
	dir          string
	maxBytes     int64
	segmentBytes int64
	disk         disk
	lock         *os.File
	size         atomic.Int64 // bytes of all segments, buffered ones included
	cleared      atomic.Int64 // number of calls of Clear

	mu       sync.Mutex // never held during a write or a sync
	segments []*segment // in order; none only in and after a Clear that failed
	end      uint64     // the last visible commit

	writing sync.Mutex // held by the methods that change files
	writer  writer
}

// Open opens the spool in a folder, or makes it. identity names what its records belong to: the server, the
// database and the slot. Open returns an error if the folder has another identity, or if another process uses it.
// Records are appended up to maxBytes in all files; 0 means without a bound. Only the header and the carried messages of
// a new segment may exceed it. The folder gets mode 0700, its files 0600.
//
// The spool has what was synced, up to the last complete transaction, unless files were removed. So the caller compares
// [Spool.End] with the end that it has stored.
func Open(dir, identity string, maxBytes int64) (*Spool, error) {
	return open(dir, identity, maxBytes, realDisk)
}

func open(dir, identity string, maxBytes int64, d disk) (*Spool, error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, maxBytes: maxBytes, segmentBytes: maxSegmentBytes, disk: d, lock: lock}
	if maxBytes > 0 { // Trim removes whole segments, so there must be several
		s.segmentBytes = min(max(maxBytes/8, minSegmentBytes), maxSegmentBytes)
	}
	if err = s.checkIdentity(identity); err == nil {
		err = s.recover()
	}
	if err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

// Begin returns the last commit before the first transaction in the spool; 0 in a new spool.
func (s *Spool) Begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 {
		return 0
	}
	return s.segments[0].previous
}

// End returns the commit of the last complete transaction that is synced. If Trim has deleted all, it is still that of
// the last one. It is 0 in a new spool, and after Clear.
func (s *Spool) End() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// Size returns the size of all segments, in bytes. It includes records that are not yet written.
func (s *Spool) Size() int64 { return s.size.Load() }

// Close syncs the spool, and unlocks the folder. Readers can still read what is visible.
func (s *Spool) Close() error {
	err := s.Sync()
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.writer.failed == nil {
		s.writer.failed = errors.New("the spool is closed")
	}
	return errors.Join(err, s.closeFiles())
}

func (s *Spool) closeFiles() (err error) {
	if s.writer.file != nil {
		err = s.writer.file.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// diskError makes a full disk match [ErrFull].
func (s *Spool) diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("cannot write to %s: the disk is full (%w): %w: free space on it, or name a folder on another disk", s.dir, err, ErrFull)
	}
	return fmt.Errorf("cannot write to the spool %s: %w", s.dir, err)
}
