package postgresoutbox

import (
	"maps"
	"slices"
	"strings"
)

// lockHolders are the transactions that hold the lock on the sequence, by virtual transaction. A transaction
// that has drawn an id holds it until its changes are visible. The value is its transaction id, 0 if unknown.
type lockHolders map[string]int64

// holders are the transactions that may still commit an id of a pending range; nil before they were looked
// up. Ranges share them.
type holders struct {
	transactions lockHolders
	// fullyRead is set once a later read has seen all visible changes of the ranges. From then on
	// a range is unchanged while all of the transactions are open in the snapshot of a read.
	fullyRead bool
	ended     bool // one of them has ended
}

// remaining returns the transactions of current that may still commit an id of the range. A prepared
// transaction has another name than before, so it is included.
func (h *holders) remaining(current lockHolders) *holders {
	still := lockHolders{}
	for name, xid := range current {
		if h == nil || strings.HasPrefix(name, "-1/") {
			still[name] = xid
		} else if _, held := h.transactions[name]; held {
			still[name] = xid
		}
	}
	if h != nil && !h.ended && maps.Equal(still, h.transactions) {
		return h
	}
	return &holders{transactions: still}
}

// shared returns equal holders from same if there are any, because a long transaction has many ranges.
func (h *holders) shared(same map[string]*holders) *holders {
	if !h.fullyRead {
		return h
	}
	key := strings.Join(slices.Sorted(maps.Keys(h.transactions)), " ")
	if same[key] == nil {
		same[key] = h
	}
	return same[key]
}

// union returns the transactions of both.
func (h *holders) union(other *holders) *holders {
	switch {
	case h == other || h == nil:
		return h
	case other == nil:
		return nil
	case h.fullyRead && other.fullyRead && maps.Equal(h.transactions, other.transactions):
		return h
	}
	both := &holders{transactions: maps.Clone(h.transactions)}
	maps.Copy(both.transactions, other.transactions)
	return both
}

// unchanged reports whether the ranges are unchanged while the transactions are open.
func (h *holders) unchanged() bool {
	if h == nil || !h.fullyRead || h.ended {
		return false
	}
	for _, xid := range h.transactions {
		if xid == 0 {
			return false
		}
	}
	return len(h.transactions) > 0
}

// rangesToRead returns the pending ranges that may have changed, and the transactions of the skipped
// ranges. A read that skips ranges is valid only while these are open in its snapshot.
func (c *cursor) rangesToRead() (from, to, open []int64) {
	from, to, open = []int64{}, []int64{}, []int64{}
	unchanged := map[*holders]bool{}
	for _, g := range c.pending {
		skip, known := unchanged[g.holders]
		if !known {
			skip = g.holders.unchanged()
			unchanged[g.holders] = skip
			if skip {
				open = slices.AppendSeq(open, maps.Values(g.holders.transactions))
			}
		}
		if !skip {
			from, to = append(from, g.from), append(to, g.to)
		}
	}
	slices.Sort(open)
	return from, to, slices.Compact(open)
}

// noteEnded notes that transactions have ended: their ranges are read again.
func (c *cursor) noteEnded(ended []int64) {
	for _, g := range c.pending {
		if g.holders == nil || g.holders.ended {
			continue
		}
		for _, xid := range g.holders.transactions {
			if slices.Contains(ended, xid) {
				g.holders.ended = true
			}
		}
	}
}

// noteFullRead notes that a read has seen all visible changes of the ranges that are not skipped.
func (c *cursor) noteFullRead() {
	for _, g := range c.pending {
		if g.holders != nil && !g.holders.ended {
			g.holders.fullyRead = true
		}
	}
}
