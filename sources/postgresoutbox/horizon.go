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
	gone  int64  // every row up to it was deleted
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

// deleted notes that every row up to an id is gone.
func (h *horizon) deleted(to int64) {
	h.gone = max(h.gone, to)
	i := 0
	for i < len(h.marks) && h.marks[i].upTo <= h.gone {
		i++
	}
	if i == 0 || h.now == 0 {
		return
	}
	h.marks = append([]mark{{h.marks[i-1].upTo, h.now}}, h.marks[i:]...)
}

// window returns the ranges for the next look: all that may be deleted next, and a part of what
// is kept for other readers, from where the look before has ended.
func (h *horizon) window() (from, to, seen []int64, end int64) {
	end = max(h.gone, h.next) + lookEvery
	from, to, seen = h.ranges(0, end)
	if len(h.marks) == 0 || h.marks[len(h.marks)-1].upTo <= end {
		return from, to, seen, end
	}
	begin := max(h.swept, end)
	if begin >= h.marks[len(h.marks)-1].upTo {
		begin = end
	}
	h.swept = begin + lookEvery
	f, u, s := h.ranges(begin, h.swept)
	return append(from, f...), append(to, u...), append(seen, s...), end
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
const lateRow = `SELECT o.id FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) m(above, up_to, seen) CROSS JOIN LATERAL
	(SELECT id FROM gateway.outbox WHERE id > m.above AND id <= m.up_to AND xid >= m.seen::text::xid8 AND NOT id <@ $4::text::int8multirange ORDER BY id LIMIT 1) o
	ORDER BY o.id LIMIT 1`
