package postgreswal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The kinds of a column in a tuple of pgoutput.
const (
	nullColumn      = 'n'
	unchangedColumn = 'u' // a TOASTed value that the UPDATE has not changed; it is not sent
	textColumn      = 't'
)

var errShortMessage = errors.New("the server sent a message of pgoutput that is too short")

// column is one column of a tuple. text is valid as long as the message.
type column struct {
	kind byte
	text []byte
}

// scanner reads the fields of a message of pgoutput. After the first error, all fields are zero.
type scanner struct {
	data []byte
	err  error
}

func (s *scanner) bytes(n int) []byte {
	if s.err != nil || n < 0 || len(s.data) < n {
		s.err = errShortMessage
		return nil
	}
	b := s.data[:n]
	s.data = s.data[n:]
	return b
}

func (s *scanner) byte() byte {
	if b := s.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) uint16() int {
	if b := s.bytes(2); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (s *scanner) uint32() uint32 {
	if b := s.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *scanner) uint64() uint64 {
	if b := s.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// text reads a text that ends with a zero byte.
func (s *scanner) text() string {
	for i, b := range s.data {
		if b == 0 {
			text := string(s.data[:i])
			s.data = s.data[i+1:]
			return text
		}
	}
	s.err = errShortMessage
	return ""
}

// tuple reads the columns of one row, and appends them to dst.
func (s *scanner) tuple(dst []column) []column {
	for range s.uint16() {
		c := column{kind: s.byte()}
		switch c.kind {
		case nullColumn, unchangedColumn:
		case textColumn:
			c.text = s.bytes(int(s.uint32()))
		default:
			if s.err == nil {
				s.err = fmt.Errorf("the server sent a column of the kind %q, which this version does not know", c.kind)
			}
		}
		if s.err != nil {
			return dst
		}
		dst = append(dst, c)
	}
	return dst
}

// rowChange is a change of one row as pgoutput sends it.
type rowChange struct {
	op       byte // I, U or D
	relation uint32
	oldKind  byte     // K: old has only the columns of the replica identity; O: all; 0: there is none
	old, new []column // nil: there is none
}

// readRowChange reads a message of the type I, U or D. It reuses the memory of c.
func readRowChange(data []byte, c *rowChange) error {
	s := scanner{data: data}
	*c = rowChange{op: s.byte(), relation: s.uint32(), old: c.old[:0], new: c.new[:0]}
	kind := s.byte()
	if kind == 'K' || kind == 'O' {
		c.oldKind, c.old = kind, s.tuple(c.old)
		if c.op == 'U' {
			kind = s.byte()
		}
	}
	if c.op != 'D' {
		if s.err == nil && kind != 'N' {
			return fmt.Errorf("the server sent a row of the kind %q, which this version does not know", kind)
		}
		c.new = s.tuple(c.new)
	}
	return s.err
}
