package letters

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// entry is the index entry of one letter in a segment: 32 bytes.
type entry struct {
	off, size uint32
	delta     uint32 // its number, less the first of the segment
	id, key   uint32 // hashes
	component uint16 // index in Store.components
	gone      bool   // removed or expired
	at        int64  // Unix time in milliseconds
}

// segment is one file of letters. Its fields, apart from file, belong to the lock of the store.
type segment struct {
	path    string
	first   uint64 // number of its first letter
	file    *os.File
	size    int64
	dead    int64 // bytes of letters that are gone
	live    int   // letters that are not gone
	entries []entry
	broken  bool // nothing may be appended any more
	checked int  // entries before this index were compared with max_age
}

const (
	segmentPrefix, segmentSuffix = "letters-", ".jsonl"
	removedSuffix                = ".removed"
	rewriteSuffix                = ".new"
	maxLine                      = 1 << 30
)

func segmentPath(folder string, first uint64) string {
	return filepath.Join(folder, fmt.Sprintf("%s%020d%s", segmentPrefix, first, segmentSuffix))
}

// createSegment creates the file of a segment, whose first letter will have the number first.
func createSegment(folder string, first uint64) (*segment, error) {
	path := segmentPath(folder, first)
	if err := removeFile(path + removedSuffix); err != nil { // it would hide the letters of the new segment
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncFolder(folder); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return &segment{path: path, first: first, file: f}, nil
}

// removeFile deletes a file if it exists.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// segmentPaths returns the segments in the folder, the oldest first. It deletes files beside segments that a crash has left behind.
func (s *Store) segmentPaths() (paths []string, err error) {
	files, err := os.ReadDir(s.folder) // a pattern would take a [ in the name of the folder for its own
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name, ok := strings.CutPrefix(file.Name(), segmentPrefix)
		if !ok {
			continue
		}
		path := filepath.Join(s.folder, file.Name())
		switch {
		case strings.HasSuffix(name, segmentSuffix):
			paths = append(paths, path)
		case strings.HasSuffix(name, segmentSuffix+rewriteSuffix):
			err = removeFile(path)
		case strings.HasSuffix(name, segmentSuffix+removedSuffix) && !slices.Contains(paths, strings.TrimSuffix(path, removedSuffix)): // segments sort before it
			err = removeFile(path)
		}
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// openSegments opens all segments of a folder, the oldest first.
func (s *Store) openSegments() error {
	paths, err := s.segmentPaths()
	if err != nil {
		return err
	}
	for _, path := range paths {
		digits := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), segmentPrefix), segmentSuffix)
		first, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is no file of this store: move it elsewhere", path)
		}
		if n := len(s.segments); n > 0 {
			s.segments[n-1].endAt(first)
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		seg := &segment{path: path, first: first, file: f}
		s.segments = append(s.segments, seg)
		s.next = max(s.next, first)
		if err := s.load(seg); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// endAt drops the entries from the number next on. A failed write has left their lines behind, and the next segment begins with next.
func (seg *segment) endAt(next uint64) {
	for n := len(seg.entries); n > 0 && seg.first+uint64(seg.entries[n-1].delta) >= next; n-- {
		if !seg.entries[n-1].gone {
			seg.markGone(n - 1)
		}
		seg.entries = seg.entries[:n-1]
	}
}

// load reads the index of a segment. It cuts off an incomplete last line, which was never acked.
func (s *Store) load(seg *segment) error {
	removed, err := readRemoved(seg.path)
	if err != nil {
		return err
	}
	r, p := bufio.NewReaderSize(seg.file, 1<<20), headParser{}
	for {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		h, err := p.parse(line)
		if err != nil || h.number < seg.first {
			s.log.Error("dead-letter line skipped", "file", seg.path, "offset", seg.size, "error", err)
			seg.size += int64(len(line))
			seg.dead += int64(len(line))
			continue
		}
		s.next = max(s.next, h.number+1)
		s.index(seg, &h, len(line))
		if removed[h.number] {
			seg.markGone(len(seg.entries) - 1)
		}
	}
	return seg.file.Truncate(seg.size)
}

// readLine returns the next whole line, with its line break. An incomplete one counts as the end.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if err == nil && line == nil {
			return part, nil
		}
		line = append(line, part...)
		if err == nil || !errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine {
			return line, err
		}
	}
}

// index adds the entry of a letter whose line was appended to a segment. The caller holds the lock.
func (s *Store) index(seg *segment, h *head, size int) {
	seg.entries = append(seg.entries, entry{
		off: uint32(seg.size), size: uint32(size), delta: uint32(h.number - seg.first),
		id: hashOf(h.id), key: hashOf(h.key), component: s.componentOf(h.component), at: h.at.UnixMilli(),
	})
	seg.size += int64(size)
	seg.live++
}

var seed = maphash.MakeSeed()

func hashOf(text string) uint32 { return uint32(maphash.String(seed, text)) }

// markGone records that a letter was removed or has expired. The caller holds the lock.
func (seg *segment) markGone(i int) {
	e := &seg.entries[i]
	e.gone = true
	seg.dead += int64(e.size)
	seg.live--
}

// find returns the index of a letter that is not gone, or -1. The caller holds the lock.
func (seg *segment) find(number uint64) int {
	i, ok := slices.BinarySearchFunc(seg.entries, number, func(e entry, n uint64) int {
		switch at := seg.first + uint64(e.delta); {
		case at < n:
			return -1
		case at > n:
			return 1
		}
		return 0
	})
	if !ok || seg.entries[i].gone {
		return -1
	}
	return i
}

// delete deletes the files of a segment. The list of removed letters goes last: without it, a crash would bring them back.
func (seg *segment) delete() error {
	_ = seg.file.Close() // nothing is appended any more
	if err := errors.Join(removeFile(seg.path), syncFolder(filepath.Dir(seg.path))); err != nil {
		return err
	}
	return removeFile(seg.path + removedSuffix)
}

func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
