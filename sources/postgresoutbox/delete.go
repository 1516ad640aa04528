package postgresoutbox

import (
	"context"
	"fmt"
	"time"
)

// deleteDelivered deletes up to maxDelete changes that every reader has delivered. A change that is pending
// for a reader stays, and keeps no other from being deleted. Unclaimed changes stay, too. If an id
// was reused, it deletes nothing and returns a rewoundError.
func (r *reader) deleteDelivered(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	ranges, end := r.reuse.nextCheck(r.deleteTook > slowDelete)
	from, to, xids := r.reuse.boundsIn(ranges)
	bound := "NULL::bigint"
	if r.hasHistoryColumns {
		bound = "min(seen::text::bigint)"
	}
	cp := r.checkpoint().cursor
	var high, reused, deleted, highest, next int64
	var remaining *string // ranges of what stays; nil if there is more to delete
	err := r.conn.QueryRow(ctx, `WITH done AS (SELECT least(min(hi), $6::bigint) AS hi, `+bound+` AS seen, `+tablesReadSQL+` AS tables FROM gateway.outbox_reader),
		looks AS (SELECT ids, d.tables FROM done d CROSS JOIN LATERAL unnest($7::text::int8multirange * int8multirange(int8range(NULL, d.hi + 1))) ids),
		kept AS (SELECT coalesce(range_agg(g), '{}'::int8multirange) AS ids FROM gateway.outbox_reader r CROSS JOIN LATERAL unnest(r.gaps) g),
		late AS (`+reusedRowSQL+`),
		gone AS (DELETE FROM gateway.outbox o USING done
			WHERE (done.seen IS NULL OR o.xid < done.seen::text::xid8) AND NOT EXISTS (SELECT FROM late)
			AND o.id IN (SELECT x.id FROM looks l CROSS JOIN kept k CROSS JOIN LATERAL unnest(int8multirange(l.ids) - k.ids) f CROSS JOIN LATERAL
				(SELECT id FROM gateway.outbox WHERE id >= lower(f) AND id < upper(f) AND (l.tables IS NULL OR tbl = ANY (l.tables)) ORDER BY id LIMIT $5) x LIMIT $5) RETURNING o.id)
		SELECT coalesce(done.hi, 0), coalesce((SELECT id FROM late), 0), (SELECT count(*) FROM gone), coalesce((SELECT max(id) FROM gone), 0),
			coalesce((SELECT id - 1 FROM gateway.outbox WHERE id > $6 ORDER BY id LIMIT 1), 0),
			CASE WHEN (SELECT count(*) FROM gone) < $5 THEN (SELECT range_agg(g)::text FROM (SELECT unnest(ids) AS g FROM kept UNION ALL SELECT int8range(o.id, o.id, '[]') FROM looks l
				JOIN gateway.outbox o ON o.id >= lower(l.ids) AND o.id < upper(l.ids) WHERE l.tables IS NOT NULL AND NOT o.tbl = ANY (l.tables)) k) END FROM done`,
		from, to, xids, cp.multirange(), maxDelete, end, (&cursor{pending: ranges}).multirange()).Scan(&high, &reused, &deleted, &highest, &next, &remaining)
	switch {
	case err != nil:
		return fmt.Errorf("cannot delete what was delivered: %w", err)
	case reused > 0:
		return &rewoundError{idReused(reused, r.cursor.high)}
	}
	r.moreToDelete = deleted == maxDelete // there may be more
	if r.deletionPending = r.moreToDelete; r.moreToDelete {
		r.reuse.noteDeleted(highest, false)
		return nil
	}
	var remainingRanges []idRange
	if remaining != nil {
		if remainingRanges, err = parseRanges(*remaining); err != nil {
			return err
		}
	}
	r.reuse.noteDeleted(high, ranges[0].from < 0 && (len(remainingRanges) == 0 || remainingRanges[0].from > high))
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

// deleteAboveSequence deletes rows above the sequence, which was set back below them, once every reader has
// delivered them. Else a writer that draws such an id would fail.
func (r *reader) deleteAboveSequence(ctx context.Context) error {
	tag, err := r.conn.Exec(ctx, `DELETE FROM gateway.outbox o WHERE o.id > (SELECT coalesce(pg_sequence_last_value($1::bigint::oid), 0))
		AND NOT EXISTS (SELECT FROM gateway.outbox_reader r WHERE o.id > r.hi OR o.id <@ r.gaps)`, r.sequence)
	if err != nil {
		return fmt.Errorf("cannot delete rows above the sequence: %w", err)
	}
	if tag.RowsAffected() > 0 {
		r.known.lastChange = changeMark{} // it may be one of them
		r.measuredAt = time.Time{}        // measure again at once: the cursor is above all rows now
	}
	return nil
}
