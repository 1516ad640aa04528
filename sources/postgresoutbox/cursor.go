package postgresoutbox

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// cursor is how far the outbox was read: everything up to hi but what lies in gaps.
type cursor struct {
	hi    int64
	gaps  []gap // in order, not touching each other
	dying bool  // one is dead
}

// gap is a range of ids that were not there when hi passed them. Ids between them whose
// changes were deleted may lie in it, too: nothing comes with such an id any more.
type gap struct {
	from, to int64 // both inside
	by       *holders
}

// dead reports whether no transaction may bring an id any more. The gap goes with the next read,
// which sees all that came.
func (g *gap) dead() bool { return g.by != nil && len(g.by.names) == 0 }

const allSeen = math.MaxInt64

// advance takes ids that were read, in order, out of the gaps, and moves hi to the
// highest of them; what lies between becomes a gap. Gaps that were dead before the
// read are gone, up to the id up to which it has seen all that lies in gaps.
func (c *cursor) advance(ids []int64, seenTo int64) {
	i := 0
	if c.dying || len(ids) > 0 && ids[0] <= c.hi {
		i = c.fill(ids, seenTo)
	}
	for ; i < len(ids); i++ {
		if ids[i] > c.hi+1 {
			c.gaps = append(c.gaps, gap{from: c.hi + 1, to: ids[i] - 1})
		}
		c.hi = max(c.hi, ids[i])
	}
}

// fill takes ids out of the gaps, and returns how many of them lie below their end.
func (c *cursor) fill(ids []int64, seenTo int64) (i int) {
	left := make([]gap, 0, len(c.gaps)+1)
	c.dying = false
	for _, g := range c.gaps {
		if g.dead() {
			for i < len(ids) && ids[i] <= g.to { // they came before it died
				i++
			}
			g.from = max(g.from, min(seenTo, g.to)+1)
			c.dying = c.dying || g.from <= g.to
		}
		for i < len(ids) && ids[i] <= g.to {
			if ids[i] > g.from {
				part := g
				part.to = ids[i] - 1
				left = append(left, part)
			}
			g.from = max(g.from, ids[i]+1)
			i++
		}
		if g.from <= g.to {
			left = append(left, g)
		}
	}
	c.gaps = left
	return i
}

// settle notes which transactions may bring ids now. Those that came after a gap did cannot bring
// one of it. Ids above last were not given yet: they lie in a gap where the sequence was set back
// below rows that it has brought.
func (c *cursor) settle(now holding, last int64) {
	if n := len(c.gaps); n > 0 && c.gaps[n-1].to > last {
		c.split(last)
	}
	left, same := map[*holders]*holders{}, map[string]*holders{}
	for i := range c.gaps {
		g := &c.gaps[i]
		if g.from > last {
			g.by = nil
			continue
		}
		if left[g.by] == nil {
			left[g.by] = g.by.still(now).shared(same)
		}
		g.by = left[g.by]
		c.dying = c.dying || g.dead()
	}
}

// merge makes one of gaps between which nothing is left: in each of the ranges gone, all that is in
// none of the ranges kept was deleted.
func (c *cursor) merge(gone, kept []gap) {
	if len(c.gaps) < 2 {
		return
	}
	merged := c.gaps[:1]
	for _, g := range c.gaps[1:] {
		last := &merged[len(merged)-1]
		for len(kept) > 0 && kept[0].to <= last.to {
			kept = kept[1:]
		}
		in := func(r gap) bool { return r.from <= last.to+1 && g.from-1 <= r.to }
		if !slices.ContainsFunc(gone, in) || len(kept) > 0 && kept[0].from < g.from {
			merged = append(merged, g)
			continue
		}
		last.to, last.by = g.to, last.by.and(g.by)
	}
	c.gaps = merged
}

// split makes two gaps of the one that last lies in.
func (c *cursor) split(last int64) {
	for i, g := range c.gaps {
		if g.from <= last && last < g.to {
			above := gap{from: last + 1, to: g.to}
			c.gaps[i].to = last
			c.gaps = slices.Insert(c.gaps, i+1, above)
			return
		}
	}
}

// reopen makes gaps of ids that were passed. Gaps may lie in the ranges, which become one with them;
// who may bring ids is looked at anew.
func (c *cursor) reopen(ranges []gap) {
	all := append(slices.Clone(c.gaps), ranges...)
	slices.SortFunc(all, func(a, b gap) int { return cmp.Compare(a.from, b.from) })
	c.gaps = nil
	for _, g := range all {
		if n := len(c.gaps); n > 0 && g.from <= c.gaps[n-1].to+1 {
			c.gaps[n-1] = gap{from: c.gaps[n-1].from, to: max(c.gaps[n-1].to, g.to)}
			continue
		}
		c.gaps = append(c.gaps, g)
	}
}

// low is the highest id below which no gap is.
func (c *cursor) low() int64 {
	if len(c.gaps) > 0 {
		return c.gaps[0].from - 1
	}
	return c.hi
}

// passed reports whether an id lies below hi, and in no gap.
func (c *cursor) passed(id int64) bool {
	return id <= c.hi && !slices.ContainsFunc(c.gaps, func(g gap) bool { return g.from <= id && id <= g.to })
}

// without returns the cursor as it is stored: ids of changes that are not settled lie in its gaps,
// so that they are read again.
func (c *cursor) without(ids []int64) cursor {
	all := make([]gap, 0, len(c.gaps)+len(ids))
	all = append(all, c.gaps...)
	for _, id := range ids {
		all = append(all, gap{from: id, to: id})
	}
	slices.SortFunc(all, func(a, b gap) int { return cmp.Compare(a.from, b.from) })
	stored := cursor{hi: c.hi, gaps: all[:0]}
	for _, g := range all {
		if n := len(stored.gaps); n > 0 && g.from <= stored.gaps[n-1].to+1 {
			stored.gaps[n-1].to = max(stored.gaps[n-1].to, g.to)
			continue
		}
		stored.gaps = append(stored.gaps, g)
	}
	return stored
}

// open returns how many ids lie in gaps.
func (c *cursor) open() (n int64) {
	for _, g := range c.gaps {
		n += g.to - g.from + 1
	}
	return n
}

// multirange is the gaps as PostgreSQL writes an int8multirange.
func (c *cursor) multirange() string {
	b := make([]byte, 0, 2+24*len(c.gaps))
	b = append(b, '{')
	for i, g := range c.gaps {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), g.from, 10)
		b = append(strconv.AppendInt(append(b, ','), g.to+1, 10), ')')
	}
	return string(append(b, '}'))
}

// parseGaps reads what multirange has written.
func parseGaps(text string) ([]gap, error) {
	var gaps []gap
	for rest := strings.Trim(text, "{}"); rest != ""; {
		one, after, _ := strings.Cut(rest, ")")
		begin, end, _ := strings.Cut(strings.TrimPrefix(one, "["), ",")
		from, err := strconv.ParseInt(begin, 10, 64)
		to, err2 := strconv.ParseInt(end, 10, 64)
		if err != nil || err2 != nil || to <= from {
			return nil, fmt.Errorf("the gaps %.100q cannot be read", text)
		}
		gaps = append(gaps, gap{from: from, to: to - 1})
		rest = strings.TrimPrefix(after, ",")
	}
	return gaps, nil
}
