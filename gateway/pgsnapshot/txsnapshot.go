package pgsnapshot

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TxSnapshot is a view of the server's transactions, a pg_snapshot: it shows which of them had ended. It is immutable.
type TxSnapshot struct {
	Xmin, Xmax int64   // all below Xmin had ended, and none from Xmax on
	Running    []int64 // those in between that had not ended

	text string // as PostgreSQL has written it; "": it was not made by ParseTxSnapshot
}

// ParseTxSnapshot parses what PostgreSQL writes, xmin:xmax:running. It returns nil for "".
func ParseTxSnapshot(text string) (*TxSnapshot, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("cannot parse the pg_snapshot %.100q", text)
	}
	s := &TxSnapshot{text: text}
	numbers := strings.Split(parts[2], ",")
	if parts[2] == "" {
		numbers = nil
	}
	for i, number := range append([]string{parts[0], parts[1]}, numbers...) {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("cannot parse the pg_snapshot %.100q: %w", text, err)
		}
		switch i {
		case 0:
			s.Xmin = n
		case 1:
			s.Xmax = n
		default:
			s.Running = append(s.Running, n)
		}
	}
	return s, nil
}

// String returns the text of a pg_snapshot, "" for nil.
func (s *TxSnapshot) String() string {
	if s == nil {
		return ""
	}
	if s.text != "" {
		return s.text
	}
	b := append(strconv.AppendInt(nil, s.Xmin, 10), ':')
	b = append(strconv.AppendInt(b, s.Xmax, 10), ':')
	for i, xid := range s.Running {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, xid, 10)
	}
	return string(b)
}

// Sees reports whether a transaction had ended.
func (s *TxSnapshot) Sees(xid int64) bool {
	return xid < s.Xmin || xid < s.Xmax && !slices.Contains(s.Running, xid)
}

// LaterTxSnapshot returns the later of two views of one server. All transactions that had ended in the other one had ended
// in it, too. It returns nil if one is nil.
func LaterTxSnapshot(a, b *TxSnapshot) *TxSnapshot {
	if a == nil || b == nil {
		return nil
	}
	if cmp.Or(cmp.Compare(a.Xmax, b.Xmax), cmp.Compare(a.Xmin, b.Xmin), cmp.Compare(len(b.Running), len(a.Running))) > 0 {
		return a
	}
	return b
}

// FullXID returns the transaction id with the given lower 32 bits that is nearest to Xmax.
func (s *TxSnapshot) FullXID(half uint32) int64 { return s.Xmax + int64(int32(half-uint32(s.Xmax))) }
