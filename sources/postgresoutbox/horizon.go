package postgresoutbox

import (
	"math"
	"slices"
)

const (
	marksMost = 1000      // beyond which marks are merged
	lookEvery = 50_000    // ids that are looked at in one go, while the source runs
	lookMost  = 1_000_000 // and when it begins
)

// horizon tells changes that were read from changes that were written later with ids that
// were read before: somebody has set the sequence back. A change that was read has a transaction
// id below that of its mark. A later one has a higher id: pg_snapshot_xmax, which the mark holds,
// is higher than those of all transactions that had ended when its ids were read.
//
// Rows that come from a dump have transaction ids of another server, which may be higher than
// those of this one. The mark is above these, too, so that they are not taken for later ones.
type horizon struct {
	marks []mark // in order
	now   int64  // xmax of the latest read; 0: none yet
	gone  int64  // every row up to it was deleted, but for what some reader has not settled
	next  int64  // where the lowest row may be: a hint, so that ids without rows take no time
	swept int64  // how far the latest look went
}

// mark is of the ids up to upTo, and above the mark before.
type mark struct {
	upTo int64
	seen int64 // no change that was read has this transaction id or a higher one; unknown: no bound
}

const unknown = math.MaxInt64

// newHorizon begins with what is stored; seen 0 means that nothing is. next is below the
// lowest row of the outbox.
func newHorizon(hi, seen, next int64) horizon {
	if seen == 0 {
		seen = unknown
	}
	h := horizon{gone: min(hi, next), next: next}
	if hi > 0 {
		h.marks = []mark{{hi, seen}}
	}
	return h
}

// read notes changes that were read with a snapshot that ends at xmax.
func (h *horizon) read(rows []row, xmax int64) {
	h.now = max(h.now, xmax)
	if len(rows) == 0 {
		return
	}
	last := int64(0)
	if n := len(h.marks); n > 0 {
		last = h.marks[n-1].upTo
	}
	fresh := mark{seen: xmax}
	i := 0                     // a split leaves the mark of the next row at i or behind
	for _, one := range rows { // in order
		if one.id > last {
			fresh.upTo, fresh.seen = one.id, max(fresh.seen, one.xid+1)
			continue
		}
		for h.marks[i].upTo < one.id { // it lay in a gap
			i++
		}
		h.raise(i, one)
	}
	if fresh.upTo > 0 {
		h.marks = append(h.marks, fresh)
	}
	for len(h.marks) > marksMost {
		h.merge()
	}
}

// raise gives a change that lay in a gap a mark of its own, where that of its neighbours is too low
// for it: its transaction may have written with ids of theirs, too, after they were read.
func (h *horizon) raise(i int, one row) {
	m := h.marks[i]
	if one.xid < m.seen {
		return
	}
	begin := int64(0)
	if i > 0 {
		begin = h.marks[i-1].upTo
	}
	var parts []mark
	switch {
	case one.id-1 > begin:
		parts = append(parts, mark{one.id - 1, m.seen}, mark{one.id, one.xid + 1})
	case i > 0 && h.marks[i-1].seen == one.xid+1: // its neighbour is of the same transaction
		h.marks[i-1].upTo = one.id
	default:
		parts = append(parts, mark{one.id, one.xid + 1})
	}
	if one.id < m.upTo {
		parts = append(parts, m)
	}
	h.marks = slices.Replace(h.marks, i, i+1, parts...)
}

// full returns a transaction id whose lower half is given: the one that is nearest to those of now. 0
// where it is not known.
func (h *horizon) full(half int64) int64 {
	if half == 0 || h.now == 0 {
		return 0
	}
	return h.now + int64(int32(uint32(half)-uint32(h.now)))
}

// merge makes one mark of two: less is noticed, and nothing wrong.
func (h *horizon) merge() {
	var half []mark
	for i := 0; i < len(h.marks); i += 2 {
		m := h.marks[i]
		if i+1 < len(h.marks) {
			m = mark{h.marks[i+1].upTo, max(m.seen, h.marks[i+1].seen)}
		}
		half = append(half, m)
	}
	h.marks = half
}

// seen is the highest of all marks; 0: one is not known.
func (h *horizon) seen() (seen int64) {
	for _, m := range h.marks {
		seen = max(seen, m.seen)
	}
	if seen == unknown {
		return 0
	}
	return seen
}

// deleted notes that rows up to an id are gone: all of them, or all but some, from which changes
// that are written later are told apart less well then.
func (h *horizon) deleted(to int64, all bool) {
	h.gone = max(h.gone, to)
	i := 0
	for i < len(h.marks) && h.marks[i].upTo <= h.gone {
		i++
	}
	if i == 0 || h.now == 0 {
		return
	}
	first := mark{h.marks[i-1].upTo, h.now}
	for _, m := range h.marks[:i] {
		if !all {
			first.seen = max(first.seen, m.seen)
		}
	}
	h.marks = append([]mark{first}, h.marks[i:]...)
}

// window returns the ranges of the next look, above one id and up to another: all that may be deleted next, and a
// part of the others, from where the look before has ended. Those below what may be deleted next are among
// the first, unless that takes long: a transaction that is open for long keeps the server from
// forgetting rows that were deleted.
func (h *horizon) window(long bool) (looks []gap, end int64) {
	end = max(h.gone, h.next) + lookEvery
	first := gap{from: math.MinInt64, to: end}
	if long {
		first.from = end - lookEvery + 1
	}
	last := end
	if n := len(h.marks); n > 0 {
		last = max(h.marks[n-1].upTo, end)
	}
	if first.from < 0 && last <= end {
		return []gap{first}, end
	}
	begin := h.swept + 1
	if begin > last {
		begin = 1
	}
	if first.from < 0 {
		begin = max(begin, end+1)
	}
	h.swept = begin + lookEvery - 1
	second := gap{from: begin, to: h.swept}
	switch {
	case second.to < first.from:
		return []gap{second, first}, end
	case second.from > first.to:
		return []gap{first, second}, end
	}
	return []gap{{from: min(first.from, second.from), to: max(first.to, second.to)}}, end
}

// rangesOf returns the marks in several ranges.
func (h *horizon) rangesOf(looks []gap) (from, to, seen []int64) {
	for _, g := range looks {
		f, t, s := h.ranges(max(g.from, 1)-1, g.to)
		from, to, seen = append(from, f...), append(to, t...), append(seen, s...)
	}
	return from, to, seen
}

// ranges returns the marks between two ids: above from, up to to, and what was seen there.
func (h *horizon) ranges(above, below int64) (from, to, seen []int64) {
	from, to, seen = []int64{}, []int64{}, []int64{}
	begin := int64(0)
	for _, m := range h.marks {
		if lo, hi := max(begin, above), min(m.upTo, below); lo < hi && m.seen != unknown {
			from, to, seen = append(from, lo), append(to, hi), append(seen, m.seen)
		}
		begin = m.upTo
	}
	return from, to, seen
}

// lateRow finds a change in the ranges $1, $2, $3 that was not read, and does not lie in the gaps $4.
const lateRow = `SELECT o.id FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) m(above, up_to, seen)
	CROSS JOIN LATERAL unnest(int8multirange(int8range(m.above + 1, m.up_to + 1)) - (SELECT $4::text::int8multirange)) f
	CROSS JOIN LATERAL (SELECT id FROM gateway.outbox WHERE id >= lower(f) AND id < upper(f) AND xid >= m.seen::text::xid8 ORDER BY id LIMIT 1) o
	ORDER BY o.id LIMIT 1`
