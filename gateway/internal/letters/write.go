package letters

import (
	"errors"
	"log/slog"
	"time"
)

const (
	retryInterval  = time.Second      // of a write that has failed
	expireInterval = 30 * time.Second // letters that are too old are removed
)

// write writes pending letters until the store is closed. Letters that arrive during a write are written and synced together by the next one.
func (s *Store) write() {
	defer close(s.ended)
	expire := time.NewTicker(expireInterval)
	defer expire.Stop()
	retry := time.NewTicker(retryInterval)
	defer retry.Stop()
	s.expire()
	for {
		select {
		case <-s.wake:
		case <-retry.C:
		case <-expire.C:
			s.expire()
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
	s.pending, s.pendingBytes, s.writing, s.settling = nil, 0, len(batch), len(batch) > 0
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
			s.log.Info("dead letters stored again")
		}
		settled = batch
	} else {
		s.writing = 0
		s.lines.Log(s.log, slog.LevelError, "dead letters not stored", "path", s.folder, "error", err,
			"effect", "letters of sources that can replay are returned, the others stay in memory", "hint", "mend the disk, or make room on it")
		var unsettled []*pending
		for _, p := range batch {
			if p.settle != nil {
				settled = append(settled, p)
			} else {
				unsettled = append(unsettled, p)
				s.pendingBytes += len(p.Data) + overhead
			}
		}
		s.counts.Returned += uint64(len(settled))
		s.pending = append(unsettled, s.pending...)
	}
	s.failed = err
	s.mu.Unlock()
	for _, p := range settled {
		if p.settle != nil {
			p.settle(err)
		}
	}
	s.mu.Lock()
	s.settling = false
	if s.written != nil {
		close(s.written)
		s.written = nil
	}
	s.mu.Unlock()
	if err == nil {
		s.enforceMaxBytes()
	}
}

// append appends a batch to the last segment, and syncs it. After an error the segment has no letter of the batch.
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
	seg, err := s.writableSegment(batch[0].Number)
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
		seg.broken = true // after an error of sync, it is not known which bytes are on the disk
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

// writableSegment returns the segment to append to. A new one begins with the number first. The caller holds files.
func (s *Store) writableSegment(first uint64) (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.segments); n > 0 {
		seg := s.segments[n-1]
		if !seg.broken && seg.size < s.segmentSize() {
			return seg, nil
		}
		if len(seg.entries) == 0 { // the new one has the same name
			if err := seg.delete(); err != nil {
				return nil, err
			}
			s.segments = s.segments[:n-1]
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
