package letters

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// pending is a letter that is not written yet.
type pending struct {
	Letter
	settle func(error) // nil: no source can replay it
}

// Bounds of letters that are not written yet.
const maxPending = 4 << 20

// overhead is what a letter takes beside its payload, in bytes.
const overhead = 512

// Add adds a letter. settle, which may be nil if no source can replay the letter, is called once: with nil when it is on the disk, or with the
// reason why it is not. Add blocks while many letters are pending. Its error is ctx's, or [ErrClosed]; then settle is not called.
func (s *Store) Add(ctx context.Context, l Letter, settle func(error)) error {
	size := len(l.Data) + overhead
	if int64(size) > s.opts.MaxBytes/2 {
		s.refuse(size, settle)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.pendingBytes > 0 && s.pendingBytes+size > maxPending && !s.closing {
		if s.failed != nil && s.dropPending() {
			continue
		}
		if s.space == nil {
			s.space = make(chan struct{})
		}
		space := s.space
		s.mu.Unlock()
		var err error
		select {
		case <-space:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	if s.closing {
		return ErrClosed
	}
	s.counts.In++
	s.pending = append(s.pending, &pending{l, settle})
	s.pendingBytes += size
	s.wakeWriter()
	return nil
}

// refuse counts a letter that is too large, and settles it with an error.
func (s *Store) refuse(size int, settle func(error)) {
	err := fmt.Errorf("the letter has %d bytes, more than half of dead_letters.max_bytes: raise that", size)
	s.lines.Log(s.log, slog.LevelError, "dead letter not stored", "error", err)
	s.mu.Lock()
	s.counts.In++
	if settle == nil {
		s.counts.Lost++
	} else {
		s.counts.Returned++
	}
	s.mu.Unlock()
	if settle != nil {
		settle(err)
	}
}

func (s *Store) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// dropPending drops the oldest pending letter that no source can replay, because the disk does not work. The caller holds the lock.
func (s *Store) dropPending() bool {
	for i, p := range s.pending {
		if p.settle == nil {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
			s.pendingBytes -= len(p.Data) + overhead
			s.counts.Lost++
			return true
		}
	}
	return false
}

// freeSpace wakes all that wait for space. The caller holds the lock.
func (s *Store) freeSpace() {
	if s.space != nil {
		close(s.space)
		s.space = nil
	}
}

// Flush waits until all letters that were added are settled, or the deadline. While the disk does not work, those that no source can
// replay stay pending.
func (s *Store) Flush(deadline time.Time) {
	expired := time.NewTimer(time.Until(deadline))
	defer expired.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.settling || len(s.pending) > 0 && s.failed == nil {
		if s.written == nil {
			s.written = make(chan struct{})
		}
		written := s.written
		s.mu.Unlock()
		select {
		case <-written:
		case <-expired.C:
			s.mu.Lock()
			return
		}
		s.mu.Lock()
	}
}
