package postgresoutbox

import (
	"math"
	"slices"
)

const (
	maxBounds       = 1000      // beyond which bounds are merged
	checkIDs        = 50_000    // ids in one check while the source runs
	checkIDsAtBegin = 1_000_000 // ids in one check when the source begins
)

// reuseDetector detects that ids were used again after they were read, because the sequence was set
// back. A change that was read has a transaction id below the bound of its id. A later change has a
// higher one: the bound is at least pg_snapshot_xmax of the read, which is above the ids of all
// transactions that had ended then.
//
// Rows from a dump have transaction ids of another server, which may be higher than
// those of this one. The bound is above these, too, so that they do not count as reused.
type reuseDetector struct {
	bounds      []xidBound // in order
	latestXmax  int64      // of the latest read; 0 before the first
	deletedTo   int64      // every row up to it was deleted, except for those that some reader has not settled
	belowLowest int64      // no row has this id or a lower one: a hint, so that ids without rows are skipped
	checkedTo   int64      // end of the latest check
}

// xidBound bounds the transaction ids of changes that were read, with ids up to upTo and above the bound before.
type xidBound struct {
	upTo int64
	xid  int64 // no change that was read has this transaction id or a higher one; or unknownXID
}

const unknownXID = math.MaxInt64

// newReuseDetector begins with the stored bound, 0 if there is none. belowLowest is below the
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

// noteRead notes changes that were read in a snapshot that ends at xmax.
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
	i := 0                     // after a split, the bound of the next row is at i or later
	for _, one := range rows { // in order
		if one.id > last {
			added.upTo, added.xid = one.id, max(added.xid, one.xid+1)
			continue
		}
		for h.bounds[i].upTo < one.id { // it was pending
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

// splitBound gives a change that was pending a bound of its own if that of its neighbours is too low.
// Their bound stays: the transaction may have reused their ids, too, after they were read.
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

// fullXID returns the transaction id with the given lower 32 bits that is nearest to the latest xmax, or 0
// if that is not known.
func (h *reuseDetector) fullXID(half int64) int64 {
	if half == 0 || h.latestXmax == 0 {
		return 0
	}
	return h.latestXmax + int64(int32(uint32(half)-uint32(h.latestXmax)))
}

// mergeBounds merges each two bounds. Fewer reused ids are detected then, and none wrongly.
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

// highestXID returns the highest of all bounds, or 0 if one is not known.
func (h *reuseDetector) highestXID() (highest int64) {
	for _, m := range h.bounds {
		highest = max(highest, m.xid)
	}
	if highest == unknownXID {
		return 0
	}
	return highest
}

// noteDeleted notes that rows up to an id were deleted. Unless all were, the old bounds still count,
// which detects fewer reused ids.
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

// nextCheck returns the ranges of ids to check next, and the end of what may be deleted next. It is all that
// may be deleted next, and a part of the higher ids, from where the check before has ended. Lower
// ids are included unless that is slow: during a long transaction the server still has to step over
// rows that were deleted.
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

// boundsIn returns the bounds in several ranges.
func (h *reuseDetector) boundsIn(ranges []idRange) (from, to, xids []int64) {
	for _, g := range ranges {
		f, t, s := h.boundsBetween(max(g.from, 1)-1, g.to)
		from, to, xids = append(from, f...), append(to, t...), append(xids, s...)
	}
	return from, to, xids
}

// boundsBetween returns the known bounds between two ids: the ids above from and up to to have the bound xids.
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

// reusedRowSQL finds a change that was not read, in the ranges $1 to $2 with the bounds $3, whose id is not pending ($4).
const reusedRowSQL = `SELECT o.id FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) m(above, up_to, seen)
	CROSS JOIN LATERAL unnest(int8multirange(int8range(m.above + 1, m.up_to + 1)) - (SELECT $4::text::int8multirange)) f
	CROSS JOIN LATERAL (SELECT id FROM gateway.outbox WHERE id >= lower(f) AND id < upper(f) AND xid >= m.seen::text::xid8 ORDER BY id LIMIT 1) o
	ORDER BY o.id LIMIT 1`
