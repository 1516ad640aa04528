package postgresoutbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maxRows  = 500      // that a read takes of each half
	maxBytes = 16 << 20 // after which a read stops
	maxGaps  = 10_000   // beyond which nothing above hi is read until there are fewer
)

// canceled is the SQLSTATE of a statement that was ended on request.
const canceled = "57014"

// row is one change as it stands in the outbox.
type row struct {
	id, xid  int64
	at       time.Time
	op       string
	table    string
	old, new []byte // JSON, nil where there is none
}

// readRows reads what lies in gaps, and then what lies above hi, in one statement, so
// in one snapshot.
const readRows = `SELECT r.*, (SELECT pg_snapshot_xmax(pg_current_snapshot()))::text::bigint FROM (
	(SELECT 0 AS half, x.id, x.xid, x.at, x.op, x.tbl, x.old, x.new FROM unnest($3::bigint[], $4::bigint[]) g(lo, hi) CROSS JOIN LATERAL
	  (SELECT o.id, o.xid::text::bigint, o.at, o.op::text, o.tbl, o.old::text, o.new::text FROM gateway.outbox o WHERE o.id BETWEEN g.lo AND g.hi ORDER BY o.id LIMIT $2) x
	  ORDER BY x.id LIMIT $2)
	UNION ALL
	(SELECT 1, o.id, o.xid::text::bigint, o.at, o.op::text, o.tbl, o.old::text, o.new::text FROM gateway.outbox o WHERE o.id > $1 ORDER BY o.id LIMIT $5)
) r ORDER BY half, id`

// read reads the next rows and moves the cursor over them. It returns them in the order
// of their ids.
func (r *reader) read(ctx context.Context) ([]row, error) {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	from, to := r.cursor.ranges()
	most := r.s.most
	above := most
	if len(from) > maxGaps {
		above = 0
	}
	begin := time.Now()
	alone := r.conn.PgConn().TxStatus() == 'I' // else a canceled statement takes the transaction along
	rows, err := r.conn.Query(ctx, readRows, r.cursor.hi, most, from, to, above)
	if err != nil {
		return nil, fmt.Errorf("cannot read the outbox: %w", err)
	}
	var inGaps, beyond []row
	bytes, cut, xmax := 0, false, int64(0)
	for rows.Next() {
		var one row
		half := 0
		if err := rows.Scan(&half, &one.id, &one.xid, &one.at, &one.op, &one.table, &one.old, &one.new, &xmax); err != nil {
			rows.Close()
			return nil, fmt.Errorf("cannot read the outbox: %w", err)
		}
		n := len(inGaps) + len(beyond)
		if cut = bytes > maxBytes || n > 0 && time.Since(begin) > longRead; cut { // the rest comes with the next read
			if alone {
				_ = r.conn.PgConn().CancelRequest(ctx) // else the rest is sent all the same
			}
			break
		}
		bytes += len(one.old) + len(one.new)
		if half == 0 {
			inGaps = append(inGaps, one)
		} else {
			beyond = append(beyond, one)
		}
	}
	rows.Close()
	var said *pgconn.PgError
	if err := rows.Err(); err != nil && !(cut && errors.As(err, &said) && said.Code == canceled) {
		return nil, fmt.Errorf("cannot read the outbox: %w", err)
	}
	switch took := time.Since(begin); {
	case took > longRead:
		r.s.most = max(most/4, 1)
	case cut:
		r.s.most = max(most/2, 1)
	default:
		r.s.most = min(2*most, maxRows)
	}
	// Where not all that lies in gaps was seen, nothing from beyond may overtake it.
	sawGaps := len(inGaps) < most && !(cut && len(beyond) == 0)
	if !sawGaps {
		beyond = nil
	}
	all := append(inGaps, beyond...)
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.id, b.id) })
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].id
	}
	r.horizon.read(all, xmax)
	if n := len(all); n > 0 && all[n-1].id > r.cursor.hi {
		r.memory.top = top{all[n-1].id, all[n-1].at}
	}
	r.cursor.advance(ids, sawGaps)
	return all, nil
}

// settle looks who may still bring ids that lie in gaps. Whoever has drawn an id holds
// this lock on the sequence until all that he did is visible.
func (r *reader) settle(ctx context.Context) error {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	var last int64
	if err := r.conn.QueryRow(ctx, "SELECT coalesce(pg_sequence_last_value($1::bigint::oid), 0)", r.sequence).Scan(&last); err != nil {
		return fmt.Errorf("cannot see the sequence of the outbox: %w", err)
	}
	rows, err := r.conn.Query(ctx, `SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'
		AND relation = $1::bigint::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, r.sequence)
	if err != nil {
		return fmt.Errorf("cannot see who writes: %w", err)
	}
	holders, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("cannot see who writes: %w", err)
	}
	r.cursor.settle(holders, last)
	return nil
}
