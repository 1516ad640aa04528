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

// writePending writes all pending letters, and settles them. It writes a part as large as a segment at once.
func (s *Store) writePending() {
	s.mu.Lock()
	batch := s.pending
	s.pending, s.pendingBytes, s.writing, s.settling = nil, 0, len(batch), len(batch) > 0
	s.freeSpace()
	s.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	for len(batch) > 0 {
		n, err := s.append(batch)
		if err != nil {
			s.writeFailed(batch, err)
			break
		}
		s.enforceMaxBytes()
		s.settle(batch[:n], nil)
		batch = batch[n:]
	}
	s.mu.Lock()
	s.settling = false
	if s.written != nil {
		close(s.written)
		s.written = nil
	}
	s.mu.Unlock()
}

// settle settles letters that a source can replay, with the result of their write.
func (s *Store) settle(batch []*pending, err error) {
	s.mu.Lock()
	if err == nil && s.failed != nil {
		s.log.Info("dead letters stored again")
	}
	s.failed = err
	s.mu.Unlock()
	for _, p := range batch {
		if p.settle != nil {
			p.settle(err)
		}
	}
}

// writeFailed returns letters that could not be written to their sources. Those that no source can replay stay pending.
func (s *Store) writeFailed(batch []*pending, err error) {
	s.lines.Log(s.log, slog.LevelError, "dead letters not stored", "path", s.folder, "error", err,
		"effect", "letters of sources that can replay are returned, the others stay in memory", "hint", "mend the disk, or make room on it")
	var returned, unsettled []*pending
	s.mu.Lock()
	s.writing = 0
	for _, p := range batch {
		if p.settle != nil {
			returned = append(returned, p)
		} else {
			unsettled = append(unsettled, p)
			s.pendingBytes += p.size()
		}
	}
	s.counts.Returned += uint64(len(returned))
	s.pending = append(unsettled, s.pending...)
	s.mu.Unlock()
	s.settle(returned, err)
}

// append numbers the first letters of a batch, appends them to the last segment, and syncs it. It returns how many they are: at least one, and
// at most as many as fit into a segment. After an error the segment has none of them.
func (s *Store) append(batch []*pending) (n int, err error) {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	first, most := s.next, int(s.segmentSize())
	s.mu.Unlock()
	var lines []byte
	var ends []int
	for i, p := range batch {
		p.Number = first + uint64(i)
		next := p.appendLine(lines)
		if i > 0 && len(next) > most {
			break
		}
		lines = next
		ends = append(ends, len(lines))
	}
	seg, err := s.writableSegment(first, len(lines))
	if err != nil {
		return 0, err
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
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	begin := 0
	for i, end := range ends {
		p := batch[i]
		s.index(seg, &head{number: p.Number, id: p.ID, key: p.Key, component: p.Component, at: p.Time}, end-begin)
		begin = end
	}
	s.next = first + uint64(len(ends))
	s.counts.Stored += uint64(len(ends))
	s.writing -= len(ends)
	return len(ends), nil
}

// writableSegment returns the segment to append size bytes to. A new one begins with the number first. The caller holds files.
func (s *Store) writableSegment(first uint64, size int) (*segment, error) {
	if n := len(s.segments); n > 0 {
		seg := s.segments[n-1]
		if !seg.broken && (seg.size == 0 || seg.size+int64(size) <= s.segmentSize()) {
			return seg, nil
		}
		if seg.first == first { // the new one has the same name
			if err := seg.delete(); err != nil {
				return nil, err
			}
			s.mu.Lock()
			s.segments = s.segments[:n-1]
			s.mu.Unlock()
		}
	}
	return s.newSegment(first)
}

// newSegment creates a segment, which becomes the last one. The caller holds files.
func (s *Store) newSegment(first uint64) (*segment, error) {
	s.mu.Lock()
	folder := s.folder
	s.mu.Unlock()
	seg, err := createSegment(folder, first)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.segments = append(s.segments, seg)
	s.mu.Unlock()
	return seg, nil
}

// segmentSize is the most bytes of a segment that has more than one letter.
func (s *Store) segmentSize() int64 { return min(max(s.opts.MaxBytes/16, 64<<10), 32<<20) }
