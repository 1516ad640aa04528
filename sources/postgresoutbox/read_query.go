package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	gatewayconn "eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgsnapshot"
)

// SQLSTATEs: a statement was canceled by request, and a text has no UTF-8 form.
const (
	queryCanceled           = "57014"
	untranslatableCharacter = "22P05"
	characterNotInEncoding  = "22021"
)

// row is one change in the outbox.
type row struct {
	id, xid  int64
	at       time.Time
	op       string
	table    string
	old, new []byte  // JSON, nil if there is none
	trace    *string // traceparent of the transaction, nil if it has none
}

// readRowsSQL reads pending changes, then changes above high, in one statement and so in one
// snapshot. Its first row has the snapshot, which of the transactions $6 have ended in it, and whether the reader is
// detached, for which DETACHED stands. TRACE stands for the trace of a change.
const readRowsSQL = `SELECT r.half IS NULL, coalesce(r.half, 1), coalesce(r.id, 0), coalesce(r.xid, 0), coalesce(r.at, '-infinity'), coalesce(r.op, ''), coalesce(r.tbl, ''), r.old, r.new, r.trace,
	CASE WHEN row_number() OVER (ORDER BY r.half, r.id) = 1 THEN view.seen END, view.ended, view.detached FROM (SELECT pg_current_snapshot()::text AS seen, DETACHED AS detached,
		ARRAY(SELECT x FROM unnest($6::bigint[]) x WHERE pg_visible_in_snapshot(x::text::xid8, pg_current_snapshot())) AS ended) view LEFT JOIN (
	(SELECT 0 AS half, x.id, x.xid, x.at, x.op, x.tbl, x.old, x.new, x.trace FROM unnest($3::bigint[], $4::bigint[]) g(lo, hi) CROSS JOIN LATERAL
	  (SELECT o.id, o.xid::text::bigint AS xid, o.at, o.op::text AS op, o.tbl, o.old::text AS old, o.new::text AS new, TRACE AS trace FROM gateway.outbox o WHERE o.id BETWEEN g.lo AND g.hi ORDER BY o.id LIMIT $2) x
	  ORDER BY x.id LIMIT $2)
	UNION ALL
	(SELECT 1, o.id, o.xid::text::bigint, o.at, o.op::text, o.tbl, o.old::text, o.new::text, TRACE FROM gateway.outbox o WHERE o.id > $1 ORDER BY o.id LIMIT $5)
) r ON true ORDER BY r.half, r.id`

// readRows is what one statement has read.
type readRows struct {
	inPending, aboveHigh []row
	in                   *pgsnapshot.TxSnapshot
	ended                []int64 // of the transactions of skipped ranges; then there are no rows
	bytes                int
	stopped              bool // there is more to read
}

// queryRows executes readRowsSQL. A row with a text that has no UTF-8 form is read alone.
func (r *reader) queryRows(ctx context.Context, high int64, limit int, from, to []int64, aboveLimit int, open []int64) (readRows, error) {
	outsideTx := r.conn.PgConn().TxStatus() == 'I' // in a transaction, an error would abort it
	got, err := r.queryText(ctx, outsideTx, r.readSQL, high, limit, from, to, aboveLimit, open)
	if !outsideTx || !untranslatable(err) {
		return got, err
	}
	if len(got.inPending)+len(got.aboveHigh) > 0 { // the next read begins with that row
		got.stopped = true
		return got, nil
	}
	got, err = r.queryText(ctx, outsideTx, withoutText.Replace(r.readSQL), high, 1, from, to, min(aboveLimit, 1), open)
	for _, rows := range [][]row{got.inPending, got.aboveHigh} {
		for i := range rows {
			if err == nil {
				err = r.readEscaped(ctx, &rows[i])
			}
		}
	}
	got.aboveHigh = got.aboveHigh[:min(len(got.aboveHigh), 1-len(got.inPending))]
	got.stopped = true
	return got, err
}

func (r *reader) queryText(ctx context.Context, outsideTx bool, sql string, args ...any) (got readRows, err error) {
	begin := time.Now()
	rows, err := r.conn.Query(ctx, sql, args...)
	if err != nil {
		return got, err
	}
	defer rows.Close()
	var seen *string
	for rows.Next() {
		var one row
		half, none, detached := 0, false, false
		var at pgtype.Timestamptz
		err := rows.Scan(&none, &half, &one.id, &one.xid, &at, &one.op, &one.table, &one.old, &one.new, &one.trace, &seen, &got.ended, &detached)
		if err == nil && seen != nil {
			got.in, err = pgsnapshot.ParseTxSnapshot(*seen)
		}
		if err != nil {
			return got, err
		}
		if detached { // changes may be missing
			return got, errDetached
		}
		if none || len(got.ended) > 0 {
			break
		}
		one.at = at.Time
		n := len(got.inPending) + len(got.aboveHigh)
		got.stopped = got.bytes > maxBytes || n > 0 && time.Since(begin) > slowRead // the next read returns the rest
		got.bytes += len(one.old) + len(one.new)
		if half == 0 {
			got.inPending = append(got.inPending, one)
		} else {
			got.aboveHigh = append(got.aboveHigh, one)
		}
		if got.stopped {
			if outsideTx {
				_ = r.conn.PgConn().CancelRequest(ctx) // else the server sends the rest nevertheless
			}
			break
		}
	}
	rows.Close()
	var serverErr *pgconn.PgError
	if err := rows.Err(); err != nil && !(got.stopped && errors.As(err, &serverErr) && serverErr.Code == queryCanceled) {
		return got, err
	}
	return got, nil
}

func untranslatable(err error) bool {
	var serverErr *pgconn.PgError
	return errors.As(err, &serverErr) && (serverErr.Code == untranslatableCharacter || serverErr.Code == characterNotInEncoding)
}

// withoutText makes of readRowsSQL a statement that returns no rows of tables.
var withoutText = strings.NewReplacer("o.old::text", "NULL::text", "o.new::text", "NULL::text", "o.traceparent", "NULL::text")

// escapedTextSQL leaves a column of the change %d as JSON in the setting gateway.text, as newer SQL writes it.
var escapedTextSQL = `DO $gateway_do$ DECLARE captured text; BEGIN
	SELECT %[2]s::text INTO captured FROM gateway.outbox WHERE id = %[1]d;
	PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
	` + gatewayconn.ReadableSQL("captured") + `
	PERFORM set_config('gateway.text', captured, false); END $gateway_do$`

// readEscaped reads the texts of a change that was written by SQL before version 3, in a database of another
// encoding, and has bytes without a UTF-8 form. They are escaped.
func (r *reader) readEscaped(ctx context.Context, one *row) error {
	for column, text := range map[string]*[]byte{"old": &one.old, "new": &one.new} {
		if _, err := r.conn.Exec(ctx, fmt.Sprintf(escapedTextSQL, one.id, column)); err != nil {
			return err
		}
		if err := r.conn.QueryRow(ctx, "SELECT convert_to(nullif(current_setting('gateway.text'), ''), 'UTF8')").Scan(text); err != nil {
			return err
		}
	}
	if _, err := r.conn.Exec(ctx, "SELECT set_config('gateway.text', '', false)"); err != nil {
		return err
	}
	r.s.escaped.Inc()
	r.s.log.Warn("change escaped", "reason", "it has bytes without a UTF-8 form", "id", one.id, "table", one.table)
	return nil
}
