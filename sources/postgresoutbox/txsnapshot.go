package postgresoutbox

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// txSnapshot is a snapshot of the server's transactions, a pg_snapshot: which of them had ended.
type txSnapshot struct {
	text       string // as PostgreSQL writes it: xmin:xmax:running
	xmin, xmax int64  // all below xmin had ended, and none from xmax on
	running    []int64
}

// parseTxSnapshot returns nil for "".
func parseTxSnapshot(text string) (*txSnapshot, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("cannot parse the pg_snapshot %.100q", text)
	}
	s := &txSnapshot{text: text}
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
			s.xmin = n
		case 1:
			s.xmax = n
		default:
			s.running = append(s.running, n)
		}
	}
	return s, nil
}

// String returns the text of a pg_snapshot, "" for nil.
func (s *txSnapshot) String() string {
	if s == nil {
		return ""
	}
	return s.text
}

// sees reports whether a transaction had ended.
func (s *txSnapshot) sees(xid int64) bool {
	return xid < s.xmin || xid < s.xmax && !slices.Contains(s.running, xid)
}

// laterTxSnapshot returns the later of two snapshots of one server, in which all transactions of the other
// had ended. It returns nil if one is nil.
func laterTxSnapshot(a, b *txSnapshot) *txSnapshot {
	if a == nil || b == nil {
		return nil
	}
	if cmp.Or(cmp.Compare(a.xmax, b.xmax), cmp.Compare(a.xmin, b.xmin), cmp.Compare(len(b.running), len(a.running))) > 0 {
		return a
	}
	return b
}
