package postgresoutbox

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// cursor is how far the outbox was read: all ids up to high, except for pending ones.
type cursor struct {
	high     int64
	pending  []idRange // in order, not adjacent
	hasFinal bool      // one of pending is final
}

// idRange is a range of pending ids: those that were not visible when high passed them. It may
// include ids between them whose changes were deleted, and which cannot appear again.
type idRange struct {
	from, to int64 // both inclusive
	holders  *holders
}

// final reports whether no transaction can add a change to the range any more. The next read sees
// all of its changes, and removes the range.
func (g *idRange) final() bool { return g.holders != nil && len(g.holders.transactions) == 0 }

const sawAll = math.MaxInt64

// advance removes ids that were read, in order, from the pending ranges, and moves high to the
// highest of them. Ids in between become pending. sawUpTo is the id up to which the read has seen
// all pending changes: up to there, ranges that were final before the read are removed.
func (c *cursor) advance(ids []int64, sawUpTo int64) {
	i := 0
	if c.hasFinal || len(ids) > 0 && ids[0] <= c.high {
		i = c.fillPending(ids, sawUpTo)
	}
	for ; i < len(ids); i++ {
		if ids[i] > c.high+1 {
			c.pending = append(c.pending, idRange{from: c.high + 1, to: ids[i] - 1})
		}
		c.high = max(c.high, ids[i])
	}
}

// fillPending removes ids from the pending ranges, and returns how many ids lie below their end.
func (c *cursor) fillPending(ids []int64, sawUpTo int64) (i int) {
	remaining := make([]idRange, 0, len(c.pending)+1)
	c.hasFinal = false
	for _, g := range c.pending {
		if g.final() {
			for i < len(ids) && ids[i] <= g.to { // committed before the range was final
				i++
			}
			g.from = max(g.from, min(sawUpTo, g.to)+1)
			c.hasFinal = c.hasFinal || g.from <= g.to
		}
		for i < len(ids) && ids[i] <= g.to {
			if ids[i] > g.from {
				part := g
				part.to = ids[i] - 1
				remaining = append(remaining, part)
			}
			g.from = max(g.from, ids[i]+1)
			i++
		}
		if g.from <= g.to {
			remaining = append(remaining, g)
		}
	}
	c.pending = remaining
	return i
}

// updateHolders notes which transactions may still add changes. A transaction that began after a range
// became pending cannot add to it. last is the latest id of the sequence: higher pending ids exist
// only if the sequence was set back, and any transaction may still draw them.
func (c *cursor) updateHolders(current lockHolders, last int64) {
	if n := len(c.pending); n > 0 && c.pending[n-1].to > last {
		c.splitAt(last)
	}
	updated, shared := map[*holders]*holders{}, map[string]*holders{}
	for i := range c.pending {
		g := &c.pending[i]
		if g.from > last {
			g.holders = nil
			continue
		}
		if updated[g.holders] == nil {
			updated[g.holders] = g.holders.remaining(current).shared(shared)
		}
		g.holders = updated[g.holders]
		c.hasFinal = c.hasFinal || g.final()
	}
}

// mergeRanges joins pending ranges between which all changes were deleted: in each of the ranges deleted,
// nothing is left except in the ranges kept.
func (c *cursor) mergeRanges(deleted, kept []idRange) {
	if len(c.pending) < 2 {
		return
	}
	merged := c.pending[:1]
	for _, g := range c.pending[1:] {
		last := &merged[len(merged)-1]
		for len(kept) > 0 && kept[0].to <= last.to {
			kept = kept[1:]
		}
		in := func(r idRange) bool { return r.from <= last.to+1 && g.from-1 <= r.to }
		if !slices.ContainsFunc(deleted, in) || len(kept) > 0 && kept[0].from < g.from {
			merged = append(merged, g)
			continue
		}
		last.to, last.holders = g.to, last.holders.union(g.holders)
	}
	c.pending = merged
}

// splitAt splits the pending range that contains last and higher ids.
func (c *cursor) splitAt(last int64) {
	for i, g := range c.pending {
		if g.from <= last && last < g.to {
			above := idRange{from: last + 1, to: g.to}
			c.pending[i].to = last
			c.pending = slices.Insert(c.pending, i+1, above)
			return
		}
	}
}

// reopen makes ids pending that were read before. Pending ranges inside them are merged, and their
// holders are looked up again.
func (c *cursor) reopen(ranges []idRange) {
	all := append(slices.Clone(c.pending), ranges...)
	slices.SortFunc(all, func(a, b idRange) int { return cmp.Compare(a.from, b.from) })
	c.pending = nil
	for _, g := range all {
		if n := len(c.pending); n > 0 && g.from <= c.pending[n-1].to+1 {
			c.pending[n-1] = idRange{from: c.pending[n-1].from, to: max(c.pending[n-1].to, g.to)}
			continue
		}
		c.pending = append(c.pending, g)
	}
}

// low returns the highest id below which no id is pending.
func (c *cursor) low() int64 {
	if len(c.pending) > 0 {
		return c.pending[0].from - 1
	}
	return c.high
}

// passed reports whether an id was read: it is not above high, and not pending.
func (c *cursor) passed(id int64) bool {
	return id <= c.high && !slices.ContainsFunc(c.pending, func(g idRange) bool { return g.from <= id && id <= g.to })
}

// withPending returns the cursor as it is stored: ids of changes that are not settled are pending,
// so that they are read again.
func (c *cursor) withPending(ids []int64) cursor {
	all := make([]idRange, 0, len(c.pending)+len(ids))
	all = append(all, c.pending...)
	for _, id := range ids {
		all = append(all, idRange{from: id, to: id})
	}
	slices.SortFunc(all, func(a, b idRange) int { return cmp.Compare(a.from, b.from) })
	stored := cursor{high: c.high, pending: all[:0]}
	for _, g := range all {
		if n := len(stored.pending); n > 0 && g.from <= stored.pending[n-1].to+1 {
			stored.pending[n-1].to = max(stored.pending[n-1].to, g.to)
			continue
		}
		stored.pending = append(stored.pending, g)
	}
	return stored
}

// countPending returns how many ids are pending.
func (c *cursor) countPending() (n int64) {
	for _, g := range c.pending {
		n += g.to - g.from + 1
	}
	return n
}

// multirange returns the pending ranges as PostgreSQL writes an int8multirange.
func (c *cursor) multirange() string {
	b := make([]byte, 0, 2+24*len(c.pending))
	b = append(b, '{')
	for i, g := range c.pending {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), g.from, 10)
		b = append(strconv.AppendInt(append(b, ','), g.to+1, 10), ')')
	}
	return string(append(b, '}'))
}

// parseRanges parses the text of an int8multirange.
func parseRanges(text string) ([]idRange, error) {
	var gaps []idRange
	for rest := strings.Trim(text, "{}"); rest != ""; {
		one, after, _ := strings.Cut(rest, ")")
		begin, end, _ := strings.Cut(strings.TrimPrefix(one, "["), ",")
		from, err := strconv.ParseInt(begin, 10, 64)
		to, err2 := strconv.ParseInt(end, 10, 64)
		if err != nil || err2 != nil || to <= from {
			return nil, fmt.Errorf("cannot parse the pending ranges %.100q", text)
		}
		gaps = append(gaps, idRange{from: from, to: to - 1})
		rest = strings.TrimPrefix(after, ",")
	}
	return gaps, nil
}
