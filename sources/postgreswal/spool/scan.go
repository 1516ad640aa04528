package spool

import (
	"errors"
	"fmt"
	"io"
)

// ErrDamaged means that records which were synced are missing or changed on disk.
var ErrDamaged = errors.New("the spool is damaged: the changes in it are lost from here on")

// scanBytes is how many bytes are read at once, and the size of the buffer unless a record is larger.
const scanBytes = 256 << 10

// scanner reads the records of one segment.
type scanner struct {
	file   io.ReaderAt
	name   string
	salt   uint32
	offset int64 // of the next record
	limit  int64 // where records end

	buf   []byte
	bufAt int64 // offset of buf[0]
}

// next returns the next record. Its Data is valid until the next call. At the limit next returns io.EOF. If there is no complete
// record at the offset, it returns ErrDamaged.
func (s *scanner) next() (Record, recordKind, error) {
	if s.offset == s.limit {
		return Record{}, 0, io.EOF
	}
	header, err := s.bytes(recordHeader)
	if err != nil {
		return Record{}, 0, err
	}
	size, ok := recordSize(header)
	if !ok {
		return Record{}, 0, s.damaged()
	}
	b, err := s.bytes(size)
	if err != nil {
		return Record{}, 0, err
	}
	r, kind, ok := parseRecord(b, s.salt, s.offset)
	if !ok {
		return Record{}, 0, s.damaged()
	}
	s.offset += size
	return r, kind, nil
}

// bytes returns the next n bytes, and does not move the offset.
func (s *scanner) bytes(n int64) ([]byte, error) {
	if s.offset+n > s.limit {
		return nil, s.damaged()
	}
	if from := s.offset - s.bufAt; from >= 0 && from+n <= int64(len(s.buf)) {
		return s.buf[from : from+n], nil
	}
	size := min(max(n, scanBytes), s.limit-s.offset)
	if int64(cap(s.buf)) < size || cap(s.buf) > scanBytes && size <= scanBytes {
		s.buf = make([]byte, max(size, scanBytes))
	}
	s.buf, s.bufAt = s.buf[:size], s.offset
	read, err := s.file.ReadAt(s.buf, s.offset)
	if read < len(s.buf) {
		s.buf = s.buf[:0]
		if errors.Is(err, io.EOF) { // the file is shorter than it was
			return nil, s.damaged()
		}
		return nil, fmt.Errorf("cannot read the spool: %w", err)
	}
	return s.buf[:n], nil
}

func (s *scanner) damaged() error {
	return fmt.Errorf("%s has no complete record at byte %d: %w", s.name, s.offset, ErrDamaged)
}
