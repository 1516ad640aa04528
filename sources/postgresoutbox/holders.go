package postgresoutbox

import (
	"maps"
	"slices"
	"strings"
)

// holding is the transactions that hold the lock on the sequence, by virtual transaction: whichever
// has drawn an id does until all that it did is visible. The value is its transaction id; 0: unknown.
type holding map[string]int64

// holders are the transactions that may still bring an id of a gap; nil before the first look. Gaps
// share them.
type holders struct {
	names holding
	// probed says that a read after the look has seen all that lay in the gaps. From then on
	// nothing can have come while each of the transactions is open in the view of a read.
	probed bool
	ended  bool // one is not open any more
}

// still returns those of the transactions now that may bring what these could. One that was
// prepared has another name than before.
func (h *holders) still(now holding) *holders {
	left := holding{}
	for name, xid := range now {
		if h == nil || strings.HasPrefix(name, "-1/") {
			left[name] = xid
		} else if _, held := h.names[name]; held {
			left[name] = xid
		}
	}
	if h != nil && !h.ended && maps.Equal(left, h.names) {
		return h
	}
	return &holders{names: left}
}

// shared returns holders that are the same, where there are such: gaps of a long transaction are many.
func (h *holders) shared(same map[string]*holders) *holders {
	if !h.probed {
		return h
	}
	key := strings.Join(slices.Sorted(maps.Keys(h.names)), " ")
	if same[key] == nil {
		same[key] = h
	}
	return same[key]
}

// and returns the transactions of both.
func (h *holders) and(other *holders) *holders {
	switch {
	case h == other || h == nil:
		return h
	case other == nil:
		return nil
	case h.probed && other.probed && maps.Equal(h.names, other.names):
		return h
	}
	both := &holders{names: maps.Clone(h.names)}
	maps.Copy(both.names, other.names)
	return both
}

// quiet reports whether nothing can have come while the transactions are open.
func (h *holders) quiet() bool {
	if h == nil || !h.probed || h.ended {
		return false
	}
	for _, xid := range h.names {
		if xid == 0 {
			return false
		}
	}
	return len(h.names) > 0
}

// look returns the gaps in which something may have come, and the transactions that must be open
// in the view of the read where nothing has come in the others.
func (c *cursor) look() (from, to, open []int64) {
	from, to, open = []int64{}, []int64{}, []int64{}
	quiet := map[*holders]bool{}
	for _, g := range c.gaps {
		is, known := quiet[g.by]
		if !known {
			is = g.by.quiet()
			quiet[g.by] = is
			if is {
				open = slices.AppendSeq(open, maps.Values(g.by.names))
			}
		}
		if !is {
			from, to = append(from, g.from), append(to, g.to)
		}
	}
	slices.Sort(open)
	return from, to, slices.Compact(open)
}

// end notes transactions that are not open any more: their gaps are looked at.
func (c *cursor) end(ended []int64) {
	for _, g := range c.gaps {
		if g.by == nil || g.by.ended {
			continue
		}
		for _, xid := range g.by.names {
			if slices.Contains(ended, xid) {
				g.by.ended = true
			}
		}
	}
}

// probe notes that a read has seen all that lay in the gaps that are looked at.
func (c *cursor) probe() {
	for _, g := range c.gaps {
		if g.by != nil && !g.by.ended {
			g.by.probed = true
		}
	}
}
