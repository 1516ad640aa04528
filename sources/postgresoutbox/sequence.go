package postgresoutbox

import (
	"context"
	"fmt"
	"time"
)

// The sequence may be set back below changes that are in the outbox, as in a copy whose sequences were
// reset. These changes are older than those that get lower ids afterwards.

// findOlder finds the unread changes above the sequence, which are read before all others.
func (r *reader) findOlder(ctx context.Context) error {
	unread := r.cursor.multirange()
	var ranges *string
	err := r.conn.QueryRow(ctx, `SELECT range_agg(int8range(id, id, '[]'))::text FROM gateway.outbox
		WHERE id > (SELECT coalesce(pg_sequence_last_value($1::bigint::oid), 0)) AND (id > $2 OR id <@ $3::text::int8multirange)`, r.sequence, r.cursor.high, unread).Scan(&ranges)
	if err != nil {
		return fmt.Errorf("cannot find the changes above the sequence of the outbox: %w", err)
	}
	if ranges != nil {
		r.older, err = parseRanges(*ranges)
	}
	return err
}

// noteOlderRead notes that the older changes up to an id were read.
func (r *reader) noteOlderRead(upTo int64) {
	for len(r.older) > 0 && r.older[0].to <= upTo {
		r.older = r.older[1:]
	}
	if len(r.older) > 0 {
		r.older[0].from = max(r.older[0].from, upTo+1)
	}
}

// deleteAboveSequence deletes rows above the sequence, which was set back below them, once every reader has
// delivered them. Else a writer that draws such an id would fail. So it also deletes unclaimed changes there.
// If an id was reused, it deletes nothing and returns a rewoundError.
func (r *reader) deleteAboveSequence(ctx context.Context, last int64) error {
	from, to, seen := r.reuse.boundsBetween(last, r.cursor.high)
	cp := r.checkpoint().cursor
	var reused, deleted, unclaimed int64
	err := r.conn.QueryRow(ctx, `WITH late AS (`+reusedRowSQL+`),
		gone AS (DELETE FROM gateway.outbox o WHERE o.id > greatest($6, coalesce(pg_sequence_last_value($5::bigint::oid), 0)) AND NOT EXISTS (SELECT FROM late)
			AND NOT EXISTS (SELECT FROM gateway.outbox_reader r WHERE o.id > r.hi OR o.id <@ r.gaps
				OR r.name <> $7 AND NOT (`+fromDumpSQL+` OR coalesce(pg_visible_in_snapshot(o.xid, `+checkedSQL+`), true))) RETURNING o.tbl)
		SELECT coalesce((SELECT id FROM late), 0), (SELECT count(*) FROM gone), (SELECT count(*) FROM gone WHERE NOT tbl = ANY (`+tablesReadSQL+`::text[]))`,
		from, to, seen, cp.multirange(), r.sequence, last, r.s.opts.Name).Scan(&reused, &deleted, &unclaimed)
	switch {
	case err != nil:
		return fmt.Errorf("cannot delete rows above the sequence: %w", err)
	case reused > 0:
		return &rewoundError{idReused(reused, r.cursor.high)}
	}
	if unclaimed > 0 {
		r.s.unclaimedDeleted.Add(float64(unclaimed))
		r.s.log.Warn("unclaimed changes deleted", "deleted", unclaimed, "reason", "the sequence of gateway.outbox was set back below them")
	}
	if deleted > 0 {
		r.known.lastChange = changeMark{} // it may be one of them
		r.measuredAt = time.Time{}        // measure again at once: the cursor is above all rows now
	}
	return nil
}
