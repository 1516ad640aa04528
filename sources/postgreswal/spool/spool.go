package spool

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// ErrFull means that a record was refused, because the spool has reached its bound, or its disk has no space.
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
	cleared      atomic.Int64 // how often Clear was called

	mu       sync.Mutex // never held during a write or a sync
	segments []*segment // in order; none only in and after a Clear that failed
	end      uint64     // the last commit that is visible

	writing sync.Mutex // held by the methods that change files
	writer  writer
}

// Open opens the spool in a folder, or makes it. identity tells what its records belong to: the server, the
// database and the slot. A folder of another identity is an error, as is one that another process uses. The files
// take at most maxBytes, and a header of each; 0 means without a bound. The folder gets mode 0700, its files 0600.
//
// What was synced is there, up to the last complete transaction; compare [Spool.End] with what is known to be synced.
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

// Begin returns the commit before the first transaction of the spool; 0 in a new one.
func (s *Spool) Begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 {
		return 0
	}
	return s.segments[0].previous
}

// End returns the commit of the last complete transaction that is synced. If none is left, it is the last one that
// was there; 0 in a new spool.
func (s *Spool) End() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// Size returns the size of the segments, in bytes, with what is not yet written.
func (s *Spool) Size() int64 { return s.size.Load() }

// Close syncs the spool, and unlocks the folder. Readers stay valid for what they can see.
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
