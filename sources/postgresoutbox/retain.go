package postgresoutbox

import (
	"context"
	"fmt"
	"time"
)

// retain deletes what every reader has delivered, some at a time, but not what no reader has the
// table of, and looks whether something is
// there that was not read, although the cursor has passed its id. Then it deletes nothing.
func (r *reader) retain(ctx context.Context) error {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	from, to, seen, end := r.horizon.window()
	bound := "NULL::bigint"
	if r.columns {
		bound = "min(seen::text::bigint)"
	}
	var low, late, deleted, highest, next int64
	err := r.conn.QueryRow(ctx, `WITH done AS (SELECT least(min(low), $6::bigint) AS low, `+bound+` AS seen, `+tablesRead+` AS tables FROM gateway.outbox_reader),
		late AS (`+lateRow+`),
		gone AS (DELETE FROM gateway.outbox o USING done
			WHERE o.id <= done.low AND (done.seen IS NULL OR o.xid < done.seen::text::xid8) AND NOT EXISTS (SELECT FROM late)
			AND o.id IN (SELECT id FROM gateway.outbox, done d WHERE id <= d.low AND (d.tables IS NULL OR tbl = ANY (d.tables)) ORDER BY id LIMIT $5) RETURNING o.id)
		SELECT coalesce(done.low, 0), coalesce((SELECT id FROM late), 0), (SELECT count(*) FROM gone), coalesce((SELECT max(id) FROM gone), 0),
			coalesce((SELECT min(id) - 1 FROM gateway.outbox WHERE id > $6), 0) FROM done`,
		from, to, seen, r.cursor.multirange(), retainMost, end).Scan(&low, &late, &deleted, &highest, &next)
	switch {
	case err != nil:
		return fmt.Errorf("cannot delete what was delivered: %w", err)
	case late > 0:
		return &wentBack{lateBack(late, r.cursor.hi)}
	}
	if deleted < retainMost {
		highest = low
	}
	r.horizon.deleted(highest)
	r.untidy = deleted == retainMost // there may be more
	if !r.untidy && low == end {
		r.untidy = next > 0
		r.horizon.next = max(r.horizon.next, next)
	}
	return nil
}

// clear deletes rows above the sequence, which was set back below them, once every reader has
// delivered them: else the writer to whom the sequence gives such an id would fail.
func (r *reader) clear(ctx context.Context) error {
	tag, err := r.conn.Exec(ctx, `DELETE FROM gateway.outbox o WHERE o.id > (SELECT coalesce(pg_sequence_last_value($1::bigint::oid), 0))
		AND NOT EXISTS (SELECT FROM gateway.outbox_reader r WHERE o.id > r.hi OR o.id <@ r.gaps)`, r.sequence)
	if err != nil {
		return fmt.Errorf("cannot delete what lies above the sequence: %w", err)
	}
	if tag.RowsAffected() > 0 {
		r.memory.top = top{}     // it may be one of these
		r.measured = time.Time{} // now the cursor is above all that there is
	}
	return nil
}
