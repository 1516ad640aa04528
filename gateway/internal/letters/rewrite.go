package letters

import (
	"errors"
	"os"
	"syscall"
)

// rewrite writes the letters of a segment that are not gone into a new file, which replaces it. The caller holds files.
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
	temp := seg.path + rewriteSuffix
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
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
	seg.file, seg.entries, seg.size, seg.dead, seg.live, seg.checked, seg.broken = f, live, size, 0, len(live), 0, false
	s.mu.Unlock()
	_ = old.Close() // a search under way reads the next chunk from the new file
	return syncFolder(s.folder)
}
