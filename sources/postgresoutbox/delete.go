package postgresoutbox

import (
	"context"
	"fmt"
)

// deleteDelivered deletes up to maxDelete changes that every reader has delivered. A change that is pending
// for a reader stays, and keeps no other from being deleted. Unclaimed changes stay, too, and those that another
// reader has not checked. What stays is in remaining: pending ranges are joined only where nothing is left. If an id
// was reused, it deletes nothing and returns a rewoundError. The ids are in an array: after an ANALYZE of the empty
// outbox the planner would compare each change with each id.
func (r *reader) deleteDelivered(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	ranges, end := r.reuse.nextCheck(r.deleteTook > slowDelete)
	from, to, seen := r.reuse.boundsIn(ranges)
	cp := r.checkpoint().cursor
	var high, reused, deleted, highest, next int64
	var several bool      // there are other readers
	var remaining *string // ranges of what stays; nil if there is more to delete
	err := r.conn.QueryRow(ctx, `WITH done AS (SELECT least(min(hi), $6::bigint) AS hi, array_agg(`+checkedSQL+`) FILTER (WHERE name <> $8 AND `+checkedSQL+` IS NOT NULL) AS checked, count(*) > 1 AS several, `+waitShortlySQL+` AS wait, `+tablesReadSQL+` AS tables FROM `+r.attachedReadersSQL()+` r),
		looks AS (SELECT ids, d.tables FROM done d CROSS JOIN LATERAL unnest($7::text::int8multirange * int8multirange(int8range(NULL, d.hi + 1))) ids),
		kept AS (SELECT coalesce(range_agg(g), '{}'::int8multirange) AS ids FROM `+r.attachedReadersSQL()+` r CROSS JOIN LATERAL unnest(r.gaps) g),
		late AS (`+reusedRowSQL+`),
		gone AS (DELETE FROM gateway.outbox o USING done
			WHERE NOT (`+uncheckedSQL+`) AND NOT EXISTS (SELECT FROM late)
			AND o.id = ANY (ARRAY(SELECT x.id FROM looks l CROSS JOIN kept k CROSS JOIN LATERAL unnest(int8multirange(l.ids) - k.ids) f CROSS JOIN LATERAL
				(SELECT id FROM gateway.outbox WHERE id >= lower(f) AND id < upper(f) AND (l.tables IS NULL OR tbl = ANY (l.tables)) ORDER BY id LIMIT $5) x LIMIT $5)) RETURNING o.id)
		SELECT coalesce(done.hi, 0), coalesce((SELECT id FROM late), 0), (SELECT count(*) FROM gone), coalesce((SELECT max(id) FROM gone), 0), coalesce(done.several, false),
			coalesce((SELECT id - 1 FROM gateway.outbox WHERE id > $6 ORDER BY id LIMIT 1), 0),
			CASE WHEN (SELECT count(*) FROM gone) < $5 THEN (SELECT range_agg(g)::text FROM (SELECT unnest(ids) AS g FROM kept UNION ALL SELECT int8range(o.id, o.id, '[]') FROM looks l
				CROSS JOIN done JOIN gateway.outbox o ON o.id >= lower(l.ids) AND o.id < upper(l.ids) WHERE (l.tables IS NOT NULL OR done.checked IS NOT NULL) AND (NOT o.tbl = ANY (l.tables) OR `+uncheckedSQL+`)) k) END FROM done`,
		from, to, seen, cp.multirange(), maxDelete, end, (&cursor{pending: ranges}).multirange(), r.s.opts.Name).Scan(&high, &reused, &deleted, &highest, &several, &next, &remaining)
	switch {
	case isLockTimeout(err):
		r.moreToDelete, r.deletionPending = false, true
		return nil
	case err != nil:
		return fmt.Errorf("cannot delete what was delivered: %w", err)
	case reused > 0:
		return &rewoundError{idReused(reused, r.cursor.high)}
	}
	r.moreToDelete = deleted == maxDelete // there may be more
	if r.deletionPending = r.moreToDelete; r.moreToDelete {
		r.dirty = r.reuse.noteChecked(ranges, 0) && several || r.dirty
		r.reuse.deletedTo = max(r.reuse.deletedTo, highest)
		return nil
	}
	var remainingRanges []idRange
	if remaining != nil {
		if remainingRanges, err = parseRanges(*remaining); err != nil {
			return err
		}
	}
	deletedAll := int64(0)
	if ranges[0].from < 0 && (len(remainingRanges) == 0 || remainingRanges[0].from > high) {
		deletedAll = high
	}
	r.dirty = r.reuse.noteChecked(ranges, deletedAll) && several || r.dirty // the others need to know what was checked
	r.reuse.deletedTo = max(r.reuse.deletedTo, high)
	for i := range ranges {
		ranges[i].to = min(ranges[i].to, high)
	}
	r.cursor.mergeRanges(ranges, remainingRanges)
	if high == end {
		r.moreToDelete = next > 0
		r.deletionPending = r.moreToDelete
		r.reuse.belowLowest = max(r.reuse.belowLowest, next)
	}
	return nil
}
