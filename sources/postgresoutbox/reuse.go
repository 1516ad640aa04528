package postgresoutbox

import (
	"slices"

	"eventgateway/gateway/pgsnapshot"
)

// maxBounds is the number of bounds beyond which they are merged.
const maxBounds = 1000

// reuseDetector detects that ids were used again after they were passed, because the sequence was set
// back. A change that was read was visible in the snapshot of its read. So a change with a passed
// id whose transaction is not visible in that snapshot was not read.
//
// Changes from a dump have transaction ids of another server, which this one may not have drawn yet.
// Nothing is known of them: they do not count as reused.
type reuseDetector struct {
	bounds      []readBound            // in order
	latest      *pgsnapshot.TxSnapshot // of the latest read; nil before the first
	deletedTo   int64                  // every row up to it was deleted, except for those that some reader has not settled
	belowLowest int64                  // no row has this id or a lower one: a hint, so that ids without rows are skipped
	checkedTo   int64                  // end of the latest check

	// checked is the snapshot of the latest read before a check of all ids: the reader has read what
	// is visible in it, as far as it has passed it. Another reader may delete only this. Nil if there was none.
	checked, nextChecked *pgsnapshot.TxSnapshot // that of the present round of checks
	roundBegins          bool                   // with the next check
	readSince            bool                   // changes were read after checked
}

// readBound is the snapshot in which the ids up to upTo, and above the bound before, were passed.
type readBound struct {
	upTo int64
	in   *pgsnapshot.TxSnapshot // nil: not known
}

// newReuseDetector begins with the stored snapshot, nil if there is none. belowLowest is below the
// lowest row of the outbox.
func newReuseDetector(high int64, stored *pgsnapshot.TxSnapshot, belowLowest int64) reuseDetector {
	h := reuseDetector{deletedTo: min(high, belowLowest), belowLowest: belowLowest}
	if high > 0 {
		h.bounds = []readBound{{high, stored}}
	}
	return h
}

// noteRead notes changes that were read in a snapshot.
func (h *reuseDetector) noteRead(rows []row, in *pgsnapshot.TxSnapshot) {
	h.latest = in
	h.readSince = h.readSince || len(rows) > 0
	last := h.lastBound()
	i := 0                     // after a split, the bound of the next row is at i or later
	for _, one := range rows { // in order
		if one.id > last {
			h.addBound(one, in)
			continue
		}
		for h.bounds[i].upTo < one.id { // it was pending
			i++
		}
		h.splitBound(i, one, in)
	}
	for len(h.bounds) > maxBounds {
		h.mergeBounds()
	}
}

// addBound adds a change above all bounds.
func (h *reuseDetector) addBound(one row, in *pgsnapshot.TxSnapshot) {
	last := readBound{}
	if n := len(h.bounds); n > 0 {
		last = h.bounds[n-1]
	}
	if !in.Sees(one.xid) { // it is from a dump
		if one.id-1 > last.upTo {
			h.bounds = append(h.bounds, readBound{one.id - 1, in})
		}
		in = nil
	}
	h.bounds = appendBound(h.bounds, readBound{one.id, in})
}

// appendBound appends a bound, and merges it with an equal one before.
func appendBound(bounds []readBound, b readBound) []readBound {
	if n := len(bounds); n > 0 && bounds[n-1].in == b.in {
		bounds[n-1].upTo = b.upTo
		return bounds
	}
	return append(bounds, b)
}

// splitBound gives a change that was pending a bound of its own, unless that of its neighbours has it.
// Their bound stays: the transaction may have reused their ids, too, after they were passed.
func (h *reuseDetector) splitBound(i int, one row, in *pgsnapshot.TxSnapshot) {
	m := h.bounds[i]
	if m.in == nil || m.in.Sees(one.xid) {
		return
	}
	if !in.Sees(one.xid) {
		in = nil
	}
	begin := int64(0)
	if i > 0 {
		begin = h.bounds[i-1].upTo
	}
	var parts []readBound
	switch {
	case one.id-1 > begin:
		parts = append(parts, readBound{one.id - 1, m.in}, readBound{one.id, in})
	case i > 0 && (h.bounds[i-1].in == nil || h.bounds[i-1].in.Sees(one.xid)): // its neighbour is of the same transaction
		h.bounds[i-1].upTo = one.id
	default:
		parts = append(parts, readBound{one.id, in})
	}
	if one.id < m.upTo {
		parts = append(parts, m)
	}
	h.bounds = slices.Replace(h.bounds, i, i+1, parts...)
}

// fullXID returns the transaction id with the given lower 32 bits that is nearest to those of the latest
// read, or 0 if that is not known.
func (h *reuseDetector) fullXID(half int64) int64 {
	if half == 0 || h.latest == nil {
		return 0
	}
	return h.latest.FullXID(uint32(half))
}

// mergeBounds merges each two bounds. Fewer reused ids are detected then, and none wrongly.
func (h *reuseDetector) mergeBounds() {
	var half []readBound
	for i := 0; i < len(h.bounds); i += 2 {
		m := h.bounds[i]
		if i+1 < len(h.bounds) {
			m = readBound{h.bounds[i+1].upTo, pgsnapshot.LaterTxSnapshot(m.in, h.bounds[i+1].in)}
		}
		half = append(half, m)
	}
	h.bounds = half
}

// seen returns a snapshot in which all changes that were read are visible, nil if one is not known.
func (h *reuseDetector) seen() *pgsnapshot.TxSnapshot {
	if len(h.bounds) == 0 {
		return nil
	}
	all := h.bounds[0].in
	for _, m := range h.bounds[1:] {
		all = pgsnapshot.LaterTxSnapshot(all, m.in)
	}
	return all
}

// lastBound returns the highest id that was passed.
func (h *reuseDetector) lastBound() int64 {
	if n := len(h.bounds); n > 0 {
		return h.bounds[n-1].upTo
	}
	return 0
}
