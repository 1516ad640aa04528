package letters

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
)

// Remove is part of [Collection]. When it returns, the letters do not come back after a restart.
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
				seg.markGone(i)
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

// locate returns the segment of a letter, and its index there, or -1. The caller holds the lock.
func (s *Store) locate(number uint64) (*segment, int) {
	for i := len(s.segments) - 1; i >= 0; i-- {
		if seg := s.segments[i]; seg.first <= number {
			return seg, seg.find(number)
		}
	}
	return nil, -1
}

// readRemoved returns the numbers in the file beside a segment.
func readRemoved(path string) (map[uint64]bool, error) {
	data, err := os.ReadFile(path + removedSuffix)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	removed := map[uint64]bool{}
	for ; len(data) >= 8; data = data[8:] { // a kill -9 can leave a part of a number at the end
		removed[binary.BigEndian.Uint64(data)] = true
	}
	return removed, nil
}

// appendRemoved adds numbers to the file beside a segment, and syncs it. A file whose end is incomplete is repaired.
func appendRemoved(path string, numbers []uint64) error {
	f, err := os.OpenFile(path+removedSuffix, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size()%8 != 0 {
		err = f.Truncate(info.Size() - info.Size()%8)
	}
	var b bytes.Buffer
	for _, n := range numbers {
		_ = binary.Write(&b, binary.BigEndian, n) // a Buffer has no errors
	}
	if err == nil {
		_, err = f.Write(b.Bytes())
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
