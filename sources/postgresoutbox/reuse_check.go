package postgresoutbox

import "math"

const (
	checkIDs        = 50_000    // ids in one check while the source runs
	checkIDsAtBegin = 1_000_000 // ids in one check when the source begins
)

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
	last := max(h.lastBound(), end)
	if first.from < 0 && last <= end {
		return []idRange{first}, end
	}
	begin := h.checkedTo + 1
	if h.roundBegins = begin == 1 || begin > last; h.roundBegins {
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

// noteChecked notes that no id in the ranges of nextCheck was reused so far, and that all changes up to deleted
// were deleted. A change that appears there later is not visible in the snapshot of the latest read. It
// reports whether other readers may delete more changes now.
func (h *reuseDetector) noteChecked(ranges []idRange, deleted int64) (more bool) {
	if h.latest == nil {
		return false
	}
	complete := len(ranges) == 1 && ranges[0].from < 0 && ranges[0].to >= h.lastBound()
	if complete || h.roundBegins {
		if complete {
			h.nextChecked, h.checkedTo = h.latest, 0
		}
		if h.nextChecked != nil {
			h.checked, more = h.nextChecked, h.readSince
			h.readSince = !complete
		}
		if h.nextChecked = h.latest; complete {
			h.nextChecked = nil
		}
	}
	bounds, begin := make([]readBound, 0, len(h.bounds)), int64(1)
	for _, m := range h.bounds {
		for begin <= m.upTo {
			end, checked := m.upTo, false
			for _, g := range ranges {
				switch {
				case begin < g.from:
					end = min(end, g.from-1)
				case begin <= g.to:
					end, checked = min(end, g.to), true
				}
			}
			if begin <= deleted {
				end = min(end, deleted)
			}
			part := readBound{end, m.in}
			if begin <= deleted || checked && m.in != nil {
				part.in = h.latest
			}
			bounds, begin = appendBound(bounds, part), end+1
		}
	}
	h.bounds = bounds
	return more
}

// boundsIn returns the bounds in several ranges.
func (h *reuseDetector) boundsIn(ranges []idRange) (from, to []int64, seen []string) {
	for _, g := range ranges {
		f, t, s := h.boundsBetween(max(g.from, 1)-1, g.to)
		from, to, seen = append(from, f...), append(to, t...), append(seen, s...)
	}
	return from, to, seen
}

// boundsBetween returns the known bounds between two ids: the ids above from and up to to were passed in the snapshot seen.
func (h *reuseDetector) boundsBetween(above, below int64) (from, to []int64, seen []string) {
	from, to, seen = []int64{}, []int64{}, []string{}
	begin := int64(0)
	for _, m := range h.bounds {
		if lo, hi := max(begin, above), min(m.upTo, below); lo < hi && m.in != nil {
			from, to, seen = append(from, lo), append(to, hi), append(seen, m.in.String())
		}
		begin = m.upTo
	}
	return from, to, seen
}

// reusedRowSQL finds a change that was not read, in the ranges $1 to $2 that were passed in the snapshots $3, whose id is not pending ($4).
const reusedRowSQL = `SELECT o.id FROM unnest($1::bigint[], $2::bigint[], $3::text[]::pg_snapshot[]) m(above, up_to, seen)
	CROSS JOIN LATERAL unnest(int8multirange(int8range(m.above + 1, m.up_to + 1)) - (SELECT $4::text::int8multirange)) f
	CROSS JOIN LATERAL (SELECT id FROM gateway.outbox WHERE id >= lower(f) AND id < upper(f) AND NOT pg_visible_in_snapshot(xid, m.seen) ORDER BY id LIMIT 1) o
	ORDER BY o.id LIMIT 1`

// checkedSQL is the stored reuseDetector.checked of a reader; NULL if there is none.
const checkedSQL = `(snapshot->>'checked')::pg_snapshot`

// fromDumpSQL is the condition that a change o is from a dump: this server has not drawn its transaction id yet.
const fromDumpSQL = `o.xid >= pg_snapshot_xmax(pg_current_snapshot())`

// uncheckedSQL is the condition that another reader may not have read a change o: it is not visible in
// what one of them, in the array done.checked, has checked.
const uncheckedSQL = `NOT ` + fromDumpSQL + ` AND EXISTS (SELECT FROM unnest(done.checked) c WHERE NOT pg_visible_in_snapshot(o.xid, c))`
