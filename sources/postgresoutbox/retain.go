package postgresoutbox

import (
	"context"
	"fmt"
	"time"
)

// retain deletes what every reader has delivered, some at a time, and looks whether something is
// there that was not read, although the cursor has passed its id. Then it deletes nothing. What
// lies in no reader's gaps is deleted, and what lies in one stays: a change that is not settled,
// or may still come, keeps no other. What no reader has the table of stays, too.
func (r *reader) retain(ctx context.Context) error {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	looks, end := r.horizon.window(r.retaining > retainLong)
	from, to, seen := r.horizon.rangesOf(looks)
	bound := "NULL::bigint"
	if r.columns {
		bound = "min(seen::text::bigint)"
	}
	at := r.position().cursor
	var hi, late, deleted, highest, next int64
	var text *string // what stays; nil: nothing does, or there is more to delete
	err := r.conn.QueryRow(ctx, `WITH done AS (SELECT least(min(hi), $6::bigint) AS hi, `+bound+` AS seen, `+tablesRead+` AS tables FROM gateway.outbox_reader),
		looks AS (SELECT ids, d.tables FROM done d CROSS JOIN LATERAL unnest($7::text::int8multirange * int8multirange(int8range(NULL, d.hi + 1))) ids),
		kept AS (SELECT coalesce(range_agg(g), '{}'::int8multirange) AS ids FROM gateway.outbox_reader r CROSS JOIN LATERAL unnest(r.gaps) g),
		late AS (`+lateRow+`),
		gone AS (DELETE FROM gateway.outbox o USING done
			WHERE (done.seen IS NULL OR o.xid < done.seen::text::xid8) AND NOT EXISTS (SELECT FROM late)
			AND o.id IN (SELECT x.id FROM looks l CROSS JOIN kept k CROSS JOIN LATERAL unnest(int8multirange(l.ids) - k.ids) f CROSS JOIN LATERAL
				(SELECT id FROM gateway.outbox WHERE id >= lower(f) AND id < upper(f) AND (l.tables IS NULL OR tbl = ANY (l.tables)) ORDER BY id LIMIT $5) x LIMIT $5) RETURNING o.id)
		SELECT coalesce(done.hi, 0), coalesce((SELECT id FROM late), 0), (SELECT count(*) FROM gone), coalesce((SELECT max(id) FROM gone), 0),
			coalesce((SELECT id - 1 FROM gateway.outbox WHERE id > $6 ORDER BY id LIMIT 1), 0),
			CASE WHEN (SELECT count(*) FROM gone) < $5 THEN (SELECT range_agg(g)::text FROM (SELECT unnest(ids) AS g FROM kept UNION ALL SELECT int8range(o.id, o.id, '[]') FROM looks l
				JOIN gateway.outbox o ON o.id >= lower(l.ids) AND o.id < upper(l.ids) WHERE l.tables IS NOT NULL AND NOT o.tbl = ANY (l.tables)) k) END FROM done`,
		from, to, seen, at.multirange(), retainMost, end, (&cursor{gaps: looks}).multirange()).Scan(&hi, &late, &deleted, &highest, &next, &text)
	switch {
	case err != nil:
		return fmt.Errorf("cannot delete what was delivered: %w", err)
	case late > 0:
		return &wentBack{lateBack(late, r.cursor.hi)}
	}
	r.more = deleted == retainMost // there may be
	if r.untidy = r.more; r.more {
		r.horizon.deleted(highest, false)
		return nil
	}
	var others []gap
	if text != nil {
		if others, err = parseGaps(*text); err != nil {
			return err
		}
	}
	r.horizon.deleted(hi, looks[0].from < 0 && (len(others) == 0 || others[0].from > hi))
	for i := range looks {
		looks[i].to = min(looks[i].to, hi)
	}
	r.cursor.merge(looks, others)
	if hi == end {
		r.more = next > 0
		r.untidy = r.more
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
