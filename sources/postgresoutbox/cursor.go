package postgresoutbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// cursor is how far the outbox was read: everything up to hi but what lies in gaps.
type cursor struct {
	hi   int64
	gaps []gap // in order, not touching each other
}

// gap is a range of ids that were not there when hi passed them.
type gap struct {
	from, to int64 // both inside
	// holders are those who may still bring an id of it; nil before the first look.
	holders map[string]bool
	looked  bool
	dead    bool // nobody may; it goes with the next read, which sees all that they brought
}

// advance takes ids that were read, in order, out of the gaps, and moves hi to the
// highest of them; what lies between becomes a gap. Gaps that were dead before the
// read are gone, where it has seen all that lies in gaps.
func (c *cursor) advance(ids []int64, sawGaps bool) {
	var left []gap
	i := 0
	for _, g := range c.gaps {
		if g.dead && sawGaps {
			for i < len(ids) && ids[i] <= g.to { // they came before it died
				i++
			}
			continue
		}
		for i < len(ids) && ids[i] <= g.to {
			if ids[i] > g.from {
				part := g
				part.to = ids[i] - 1
				left = append(left, part)
			}
			g.from = ids[i] + 1
			i++
		}
		if g.from <= g.to {
			left = append(left, g)
		}
	}
	for ; i < len(ids); i++ {
		if ids[i] > c.hi+1 {
			left = append(left, gap{from: c.hi + 1, to: ids[i] - 1})
		}
		c.hi = max(c.hi, ids[i])
	}
	c.gaps = left
}

// settle notes who may bring ids now. Those who came after a gap did cannot bring
// one of it; a transaction that was prepared has another name than before. Ids above last were
// not given yet: they lie in a gap where the sequence was set back below rows that it has brought.
func (c *cursor) settle(holders []string, last int64) {
	if n := len(c.gaps); n > 0 && c.gaps[n-1].to > last {
		c.split(last)
	}
	for i := range c.gaps {
		g := &c.gaps[i]
		if g.from > last {
			g.holders, g.looked, g.dead = nil, false, false
			continue
		}
		left := map[string]bool{}
		for _, h := range holders {
			if !g.looked || g.holders[h] || strings.HasPrefix(h, "-1/") {
				left[h] = true
			}
		}
		g.holders, g.looked = left, true
		g.dead = len(left) == 0
	}
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

// reopen makes gaps of ids that were passed.
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

// low is the highest id below which every row may be deleted.
func (c *cursor) low() int64 {
	if len(c.gaps) > 0 {
		return c.gaps[0].from - 1
	}
	return c.hi
}

// open returns how many ids lie in gaps.
func (c *cursor) open() (n int64) {
	for _, g := range c.gaps {
		n += g.to - g.from + 1
	}
	return n
}

// snapshot returns a copy that does not change.
func (c *cursor) snapshot() cursor { return cursor{c.hi, slices.Clone(c.gaps)} }

// ranges returns the bounds of the gaps, for a query.
func (c *cursor) ranges() (from, to []int64) {
	from, to = make([]int64, len(c.gaps)), make([]int64, len(c.gaps))
	for i, g := range c.gaps {
		from[i], to[i] = g.from, g.to
	}
	return from, to
}

// multirange is the gaps as PostgreSQL writes an int8multirange.
func (c *cursor) multirange() string {
	parts := make([]string, len(c.gaps))
	for i, g := range c.gaps {
		parts[i] = fmt.Sprintf("[%d,%d)", g.from, g.to+1)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// parseGaps reads what multirange has written.
func parseGaps(text string) ([]gap, error) {
	var gaps []gap
	for rest := strings.Trim(text, "{}"); rest != ""; {
		var from, end int64
		one, after, _ := strings.Cut(rest, ")")
		if _, err := fmt.Sscanf(one, "[%d,%d", &from, &end); err != nil || end <= from {
			return nil, fmt.Errorf("the gaps %q cannot be read", text)
		}
		gaps = append(gaps, gap{from: from, to: end - 1})
		rest = strings.TrimPrefix(after, ",")
	}
	return gaps, nil
}
