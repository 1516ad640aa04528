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

// Bounds of the size of a letter, in bytes.
const (
	overhead   = 512 // of a letter beside its texts
	maxEscaped = 6   // of one byte in a line, such as \u0001
)

// size returns about how many bytes the letter takes in memory.
func (l *Letter) size() int {
	size := overhead + len(l.Data) + len(l.Component) + len(l.Place) + len(l.Reason) + len(l.AttemptID) + len(l.Source) + len(l.Channel) + len(l.Key) + len(l.ID)
	for name, value := range l.Attrs {
		size += len(name) + len(value) + 16
	}
	return size
}

// lineSize returns the size of the letter's line in bytes if that can exceed most, else 0.
func (l *Letter) lineSize(most int64) int64 {
	if int64(l.size())*maxEscaped <= most {
		return 0
	}
	numbered := *l
	numbered.Number = aboveAll
	return int64(len(numbered.appendLine(nil)))
}

// maxLetter returns the most bytes of the line of a letter. The store can hold two such letters.
func (s *Store) maxLetter() int64 { return min(s.opts.MaxBytes/2, maxLine) }

// Add adds a letter. settle, which may be nil if no source can replay the letter, is called once: with nil when it is on the disk, or with the
// reason why it is not. Add blocks while many letters are pending. A letter whose line is larger than half of max_bytes is not stored.
// Its error is ctx's, or [ErrClosed]; then settle is not called.
func (s *Store) Add(ctx context.Context, l Letter, settle func(error)) error {
	if size := l.lineSize(s.maxLetter()); size > s.maxLetter() {
		s.refuse(size, settle)
		return nil
	}
	size := l.size()
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
func (s *Store) refuse(size int64, settle func(error)) {
	err := fmt.Errorf("the line of the letter has %d bytes, and the store takes %d at most: raise dead_letters.max_bytes, of which that is half, up to 2 GiB", size, s.maxLetter())
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
			s.pendingBytes -= p.size()
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
