package letters

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"time"
)

const (
	retryEvery = time.Second      // of a write that has failed
	tidyEvery  = 30 * time.Second // letters that are too old are removed
)

// write writes pending letters until the store is closed. All that have come meanwhile are synced together.
func (s *Store) write() {
	defer close(s.ended)
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	s.tidy()
	for {
		select {
		case <-s.wake:
		case <-retry.C:
		case <-tidy.C:
			s.tidy()
		}
		s.writePending()
		s.mu.Lock()
		done := s.closing && (len(s.pending) == 0 || s.failed != nil)
		if done { // no source can replay these
			s.counts.Lost += uint64(len(s.pending))
			s.pending, s.pendingBytes = nil, 0
		}
		s.mu.Unlock()
		if done {
			return
		}
	}
}

// writePending writes all pending letters, and settles them.
func (s *Store) writePending() {
	s.mu.Lock()
	batch := s.pending
	s.pending, s.pendingBytes, s.writing, s.busy = nil, 0, len(batch), len(batch) > 0
	for i, p := range batch {
		p.Number = s.next + uint64(i)
	}
	s.freeSpace()
	s.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	err := s.append(batch)
	var settled []*pending
	s.mu.Lock()
	if err == nil {
		if s.failed != nil {
			s.log.Info("dead letters are stored again")
		}
		settled = batch
	} else {
		s.writing = 0
		s.lines.Log(s.log, slog.LevelError, "dead letters cannot be stored: those of sources that can replay are returned, the others wait", "path", s.folder, "error", err)
		var kept []*pending
		for _, p := range batch {
			if p.settle != nil {
				settled = append(settled, p)
			} else {
				kept = append(kept, p)
				s.pendingBytes += len(p.Data) + overhead
			}
		}
		s.counts.Returned += uint64(len(settled))
		s.pending = append(kept, s.pending...)
	}
	s.failed = err
	s.mu.Unlock()
	for _, p := range settled {
		if p.settle != nil {
			p.settle(err)
		}
	}
	s.mu.Lock()
	s.busy = false
	if s.written != nil {
		close(s.written)
		s.written = nil
	}
	s.mu.Unlock()
	if err == nil {
		s.bound()
	}
}

// append appends a batch to the last segment, and syncs it. After an error nothing of it is there.
func (s *Store) append(batch []*pending) error {
	s.files.Lock()
	defer s.files.Unlock()
	var lines []byte
	sizes := make([]int, len(batch))
	for i, p := range batch {
		before := len(lines)
		lines = p.appendLine(lines)
		sizes[i] = len(lines) - before
	}
	seg, err := s.last(batch[0].Number)
	if err != nil {
		return err
	}
	_, err = seg.file.Write(lines)
	if err == nil {
		err = seg.file.Sync()
	}
	if err != nil {
		if terr := seg.file.Truncate(seg.size); terr != nil {
			err = errors.Join(err, terr)
		}
		s.mu.Lock()
		seg.broken = true // what of it is on the disk is not known after an error of sync
		s.mu.Unlock()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range batch {
		s.index(seg, &head{number: p.Number, id: p.ID, key: p.Key, component: p.Component, at: p.Time}, sizes[i])
	}
	s.next = batch[len(batch)-1].Number + 1
	s.counts.Stored += uint64(len(batch))
	s.writing = 0
	return nil
}

// last returns the segment to append to, whose first letter would have the number first if it is new. It needs files.
func (s *Store) last(first uint64) (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.segments); n > 0 {
		seg := s.segments[n-1]
		if !seg.broken && seg.size < s.segmentSize() {
			return seg, nil
		}
		if len(seg.entries) == 0 { // else the new one would have its name
			s.segments = s.segments[:n-1]
			if err := seg.delete(); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
	}
	seg, err := createSegment(s.folder, first)
	if err != nil {
		return nil, err
	}
	s.segments = append(s.segments, seg)
	return seg, nil
}

// segmentSize is the size at which a new segment begins, in bytes.
func (s *Store) segmentSize() int64 { return min(max(s.opts.MaxBytes/16, 64<<10), 32<<20) }

// bound makes room where the store exceeds max_bytes: it rewrites the segment of which most was removed, or else deletes the oldest.
func (s *Store) bound() {
	s.files.Lock()
	defer s.files.Unlock()
	for {
		s.mu.Lock()
		var total int64
		for _, seg := range s.segments {
			total += seg.size
		}
		if total <= s.opts.MaxBytes || len(s.segments) == 0 {
			s.mu.Unlock()
			return
		}
		most := slices.MaxFunc(s.segments, func(a, b *segment) int { return int(a.dead - b.dead) })
		oldest := s.segments[0]
		s.mu.Unlock()
		if most.dead > most.size/2 && s.rewrite(most) == nil {
			continue
		}
		n := s.deleteSegment(oldest)
		s.lines.Log(s.log, slog.LevelWarn, "oldest dead letters evicted: the store has reached max_bytes", "letters", n, "path", s.folder)
	}
}

// deleteSegment deletes a segment, and returns how many letters it had. They count as evicted. It needs files.
func (s *Store) deleteSegment(seg *segment) (evicted int) {
	s.mu.Lock()
	evicted = seg.live
	s.counts.Evicted += uint64(evicted)
	s.segments = slices.DeleteFunc(slices.Clone(s.segments), func(o *segment) bool { return o == seg })
	s.mu.Unlock()
	if err := errors.Join(seg.delete(), syncFolder(s.folder)); err != nil {
		s.lines.Log(s.log, slog.LevelError, "file of the dead-letter store cannot be deleted", "file", seg.path, "error", err)
	}
	return evicted
}

// tidy removes letters that are older than max_age, and segments without letters.
func (s *Store) tidy() {
	s.files.Lock()
	defer s.files.Unlock()
	var empty []*segment
	s.mu.Lock()
	for i, seg := range s.segments {
		if s.opts.MaxAge > 0 {
			oldest := time.Now().Add(-s.opts.MaxAge).UnixMilli()
			for ; seg.aged < len(seg.entries) && seg.entries[seg.aged].at < oldest; seg.aged++ {
				if !seg.entries[seg.aged].gone {
					seg.forget(seg.aged)
					s.counts.Expired++
				}
			}
		}
		if seg.live == 0 && len(seg.entries) > 0 && i < len(s.segments)-1 {
			empty = append(empty, seg)
		}
	}
	s.mu.Unlock()
	for _, seg := range empty {
		s.deleteSegment(seg)
	}
}
