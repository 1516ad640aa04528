package letters

import (
	"cmp"
	"log/slog"
	"slices"
	"time"
)

// enforceMaxBytes makes room where the store exceeds max_bytes. It rewrites the segment with the most bytes of removed letters, or else deletes the
// oldest segment. It leaves the last one: that has the letters that were just written, and its name keeps the number of the next letter
// from being given again.
func (s *Store) enforceMaxBytes() {
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
		most := slices.MaxFunc(s.segments, func(a, b *segment) int { return cmp.Compare(a.dead, b.dead) })
		oldest, last, next := s.segments[0], s.segments[len(s.segments)-1], s.next
		rewrite := most.dead > most.size/2
		s.mu.Unlock()
		if rewrite && most == last {
			_, err := s.newSegment(next)
			rewrite = err == nil
		}
		switch {
		case rewrite && s.rewrite(most) == nil:
		case oldest == last:
			return
		default:
			n := s.deleteSegment(oldest)
			s.lines.Log(s.log, slog.LevelWarn, "oldest dead letters evicted", "letters", n, "path", s.folder, "max_bytes", s.opts.MaxBytes)
		}
	}
}

// deleteSegment deletes a segment, and returns how many letters it had. They count as evicted. The caller holds files.
func (s *Store) deleteSegment(seg *segment) (evicted int) {
	s.mu.Lock()
	evicted = seg.live
	s.counts.Evicted += uint64(evicted)
	s.segments = slices.DeleteFunc(slices.Clone(s.segments), func(o *segment) bool { return o == seg })
	s.mu.Unlock()
	if err := seg.delete(); err != nil {
		s.lines.Log(s.log, slog.LevelError, "dead-letter file not deleted", "file", seg.path, "error", err)
	}
	return evicted
}

// expire removes letters that are older than max_age, and segments without letters.
func (s *Store) expire() {
	s.files.Lock()
	defer s.files.Unlock()
	var empty []*segment
	s.mu.Lock()
	for i, seg := range s.segments {
		if s.opts.MaxAge > 0 {
			oldest := time.Now().Add(-s.opts.MaxAge).UnixMilli()
			for ; seg.checked < len(seg.entries) && seg.entries[seg.checked].at < oldest; seg.checked++ {
				if !seg.entries[seg.checked].gone {
					seg.markGone(seg.checked)
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
