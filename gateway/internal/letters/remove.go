package letters

import (
	"errors"
	"os"
)

// Remove is part of [Kept]. When it returns, the letters do not come back after a restart.
func (s *Store) Remove(numbers []uint64) (removed int, err error) {
	s.files.Lock()
	defer s.files.Unlock()
	bySegment := map[*segment][]uint64{}
	s.mu.Lock()
	for _, n := range numbers {
		if seg, i := s.locate(n); i >= 0 {
			bySegment[seg] = append(bySegment[seg], n)
		}
	}
	s.mu.Unlock()
	for seg, numbers := range bySegment {
		if e := appendRemoved(seg.path, numbers); e != nil {
			err = errors.Join(err, e)
			continue
		}
		s.mu.Lock()
		for _, n := range numbers {
			if i := seg.find(n); i >= 0 { // it may be named twice
				seg.forget(i)
				removed++
				s.counts.Removed++
			}
		}
		empty := seg.live == 0 && seg != s.segments[len(s.segments)-1]
		s.mu.Unlock()
		if empty {
			s.deleteSegment(seg)
		}
	}
	return removed, err
}

// locate returns the segment of a letter, and its index there, or -1. It needs the lock.
func (s *Store) locate(number uint64) (*segment, int) {
	for i := len(s.segments) - 1; i >= 0; i-- {
		if seg := s.segments[i]; seg.first <= number {
			return seg, seg.find(number)
		}
	}
	return nil, -1
}

// rewrite writes the letters of a segment that are not gone into a new file, which replaces it. It needs files.
func (s *Store) rewrite(seg *segment) error {
	s.mu.Lock()
	old := seg.file
	var live []entry
	for _, e := range seg.entries {
		if !e.gone {
			live = append(live, e)
		}
	}
	s.mu.Unlock()
	temp := seg.path + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var size int64
	for i := range live {
		line := make([]byte, live[i].size)
		if _, err = old.ReadAt(line, int64(live[i].off)); err != nil {
			break
		}
		if _, err = f.Write(line); err != nil {
			break
		}
		live[i].off = uint32(size)
		size += int64(len(line))
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(temp, seg.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(temp))
	}
	_ = os.Remove(seg.path + removedSuffix) // its numbers are not in the new file
	s.mu.Lock()
	seg.file, seg.entries, seg.size, seg.dead, seg.live, seg.aged, seg.broken = f, live, size, 0, len(live), 0, false
	s.mu.Unlock()
	_ = old.Close() // a search under way reads the next chunk from the new file
	return syncFolder(s.folder)
}
