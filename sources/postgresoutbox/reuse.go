package postgresoutbox

import (
	"math"
	"slices"
)

const (
	maxBounds       = 1000      // beyond which marks are merged
	checkIDs        = 50_000    // ids that are looked at in one go, while the source runs
	checkIDsAtBegin = 1_000_000 // and when it begins
)

// horizon tells changes that were read from changes that were written later with ids that
// were read before: somebody has set the sequence back. A change that was read has a transaction
// id below that of its mark. A later one has a higher id: pg_snapshot_xmax, which the mark holds,
// is higher than those of all transactions that had ended when its ids were read.
//
// Rows that come from a dump have transaction ids of another server, which may be higher than
// those of this one. The mark is above these, too, so that they are not taken for later ones.
type reuseDetector struct {
	bounds      []xidBound // in order
	latestXmax  int64      // xmax of the latest read; 0: none yet
	deletedTo   int64      // every row up to it was deleted, but for what some reader has not settled
	belowLowest int64      // where the lowest row may be: a hint, so that ids without rows take no time
	checkedTo   int64      // how far the latest look went
}

// mark is of the ids up to upTo, and above the mark before.
type xidBound struct {
	upTo int64
	xid  int64 // no change that was read has this transaction id or a higher one; unknown: no bound
}

const unknownXID = math.MaxInt64

// newHorizon begins with what is stored; seen 0 means that nothing is. next is below the
// lowest row of the outbox.
func newReuseDetector(high, stored, belowLowest int64) reuseDetector {
	if stored == 0 {
		stored = unknownXID
	}
	h := reuseDetector{deletedTo: min(high, belowLowest), belowLowest: belowLowest}
	if high > 0 {
		h.bounds = []xidBound{{high, stored}}
	}
	return h
}

// read notes changes that were read with a snapshot that ends at xmax.
func (h *reuseDetector) noteRead(rows []row, xmax int64) {
	h.latestXmax = max(h.latestXmax, xmax)
	if len(rows) == 0 {
		return
	}
	last := int64(0)
	if n := len(h.bounds); n > 0 {
		last = h.bounds[n-1].upTo
	}
	added := xidBound{xid: xmax}
	i := 0                     // a split leaves the mark of the next row at i or behind
	for _, one := range rows { // in order
		if one.id > last {
			added.upTo, added.xid = one.id, max(added.xid, one.xid+1)
			continue
		}
		for h.bounds[i].upTo < one.id { // it lay in a gap
			i++
		}
		h.splitBound(i, one)
	}
	if added.upTo > 0 {
		h.bounds = append(h.bounds, added)
	}
	for len(h.bounds) > maxBounds {
		h.mergeBounds()
	}
}

// raise gives a change that lay in a gap a mark of its own, where that of its neighbours is too low
// for it: its transaction may have written with ids of theirs, too, after they were read.
func (h *reuseDetector) splitBound(i int, one row) {
	m := h.bounds[i]
	if one.xid < m.xid {
		return
	}
	begin := int64(0)
	if i > 0 {
		begin = h.bounds[i-1].upTo
	}
	var parts []xidBound
	switch {
	case one.id-1 > begin:
		parts = append(parts, xidBound{one.id - 1, m.xid}, xidBound{one.id, one.xid + 1})
	case i > 0 && h.bounds[i-1].xid == one.xid+1: // its neighbour is of the same transaction
		h.bounds[i-1].upTo = one.id
	default:
		parts = append(parts, xidBound{one.id, one.xid + 1})
	}
	if one.id < m.upTo {
		parts = append(parts, m)
	}
	h.bounds = slices.Replace(h.bounds, i, i+1, parts...)
}

// full returns a transaction id whose lower half is given: the one that is nearest to those of now. 0
// where it is not known.
func (h *reuseDetector) fullXID(half int64) int64 {
	if half == 0 || h.latestXmax == 0 {
		return 0
	}
	return h.latestXmax + int64(int32(uint32(half)-uint32(h.latestXmax)))
}

// merge makes one mark of two: less is noticed, and nothing wrong.
func (h *reuseDetector) mergeBounds() {
	var half []xidBound
	for i := 0; i < len(h.bounds); i += 2 {
		m := h.bounds[i]
		if i+1 < len(h.bounds) {
			m = xidBound{h.bounds[i+1].upTo, max(m.xid, h.bounds[i+1].xid)}
		}
		half = append(half, m)
	}
	h.bounds = half
}

// seen is the highest of all marks; 0: one is not known.
func (h *reuseDetector) highestXID() (highest int64) {
	for _, m := range h.bounds {
		highest = max(highest, m.xid)
	}
	if highest == unknownXID {
		return 0
	}
	return highest
}

// deleted notes that rows up to an id are gone: all of them, or all but some, from which changes
// that are written later are told apart less well then.
func (h *reuseDetector) noteDeleted(to int64, all bool) {
	h.deletedTo = max(h.deletedTo, to)
	i := 0
	for i < len(h.bounds) && h.bounds[i].upTo <= h.deletedTo {
		i++
	}
	if i == 0 || h.latestXmax == 0 {
		return
	}
	first := xidBound{h.bounds[i-1].upTo, h.latestXmax}
	for _, m := range h.bounds[:i] {
		if !all {
			first.xid = max(first.xid, m.xid)
		}
	}
	h.bounds = append([]xidBound{first}, h.bounds[i:]...)
}

// window returns the ranges of the next look, above one id and up to another: all that may be deleted next, and a
// part of the others, from where the look before has ended. Those below what may be deleted next are among
// the first, unless that takes long: a transaction that is open for long keeps the server from
// forgetting rows that were deleted.
func (h *reuseDetector) nextCheck(slow bool) (ranges []idRange, end int64) {
	end = max(h.deletedTo, h.belowLowest) + checkIDs
	first := idRange{from: math.MinInt64, to: end}
	if slow {
		first.from = end - checkIDs + 1
	}
	last := end
	if n := len(h.bounds); n > 0 {
		last = max(h.bounds[n-1].upTo, end)
	}
	if first.from < 0 && last <= end {
		return []idRange{first}, end
	}
	begin := h.checkedTo + 1
	if begin > last {
		begin = 1
	}
	if first.from < 0 {
		begin = max(begin, end+1)
	}
	h.checkedTo = begin + checkIDs - 1
	second := idRange{from: begin, to: h.checkedTo}
	switch {
	case second.to < first.from:
		return []idRange{second, first}, end
	case second.from > first.to:
		return []idRange{first, second}, end
	}
	return []idRange{{from: min(first.from, second.from), to: max(first.to, second.to)}}, end
}

// rangesOf returns the marks in several ranges.
func (h *reuseDetector) boundsIn(ranges []idRange) (from, to, xids []int64) {
	for _, g := range ranges {
		f, t, s := h.boundsBetween(max(g.from, 1)-1, g.to)
		from, to, xids = append(from, f...), append(to, t...), append(xids, s...)
	}
	return from, to, xids
}

// ranges returns the marks between two ids: above from, up to to, and what was seen there.
func (h *reuseDetector) boundsBetween(above, below int64) (from, to, xids []int64) {
	from, to, xids = []int64{}, []int64{}, []int64{}
	begin := int64(0)
	for _, m := range h.bounds {
		if lo, hi := max(begin, above), min(m.upTo, below); lo < hi && m.xid != unknownXID {
			from, to, xids = append(from, lo), append(to, hi), append(xids, m.xid)
		}
		begin = m.upTo
	}
	return from, to, xids
}

// lateRow finds a change in the ranges $1, $2, $3 that was not read, and does not lie in the gaps $4.
const reusedRowSQL = `SELECT o.id FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) m(above, up_to, seen)
	CROSS JOIN LATERAL unnest(int8multirange(int8range(m.above + 1, m.up_to + 1)) - (SELECT $4::text::int8multirange)) f
	CROSS JOIN LATERAL (SELECT id FROM gateway.outbox WHERE id >= lower(f) AND id < upper(f) AND xid >= m.seen::text::xid8 ORDER BY id LIMIT 1) o
	ORDER BY o.id LIMIT 1`
