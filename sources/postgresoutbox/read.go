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
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	maxRows  = 500      // that a read takes of each half
	maxBytes = 16 << 20 // after which a read stops
	// largeRows is from how many bytes on a read that takes long does so because of the link.
	slowLinkBytes = 256 << 10
	// maxGaps bounds the memory, and the time of a read. Gaps are many only where what lies
	// between them cannot be deleted, because another reader is behind. Beyond it nothing above
	// hi is read until there are fewer.
	maxPending = 500_000
)

// canceled is the SQLSTATE of a statement that was ended on request.
const queryCanceled = "57014"

// row is one change as it stands in the outbox.
type row struct {
	id, xid  int64
	at       time.Time
	op       string
	table    string
	old, new []byte // JSON, nil where there is none
}

// readRows reads what lies in gaps, and then what lies above hi, in one statement, so
// in one snapshot. It says which of the transactions $6 are not open in it. There is one row at least.
const readRowsSQL = `SELECT r.half IS NULL, coalesce(r.half, 1), coalesce(r.id, 0), coalesce(r.xid, 0), coalesce(r.at, '-infinity'), coalesce(r.op, ''), coalesce(r.tbl, ''), r.old, r.new,
	view.xmax, view.ended FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax,
		ARRAY(SELECT x FROM unnest($6::bigint[]) x WHERE pg_visible_in_snapshot(x::text::xid8, pg_current_snapshot())) AS ended) view LEFT JOIN (
	(SELECT 0 AS half, x.id, x.xid, x.at, x.op, x.tbl, x.old, x.new FROM unnest($3::bigint[], $4::bigint[]) g(lo, hi) CROSS JOIN LATERAL
	  (SELECT o.id, o.xid::text::bigint AS xid, o.at, o.op::text AS op, o.tbl, o.old::text AS old, o.new::text AS new FROM gateway.outbox o WHERE o.id BETWEEN g.lo AND g.hi ORDER BY o.id LIMIT $2) x
	  ORDER BY x.id LIMIT $2)
	UNION ALL
	(SELECT 1, o.id, o.xid::text::bigint, o.at, o.op::text, o.tbl, o.old::text, o.new::text FROM gateway.outbox o WHERE o.id > $1 ORDER BY o.id LIMIT $5)
) r ON true ORDER BY r.half, r.id`

// read reads the next rows and moves the cursor over them. It returns them in the order
// of their ids. Until they are emitted their ids stand in unemitted.
func (r *reader) read(ctx context.Context) ([]row, error) {
	for {
		rows, ended, err := r.readOnce(ctx)
		if err != nil || len(ended) == 0 {
			return rows, err
		}
		r.cursor.noteEnded(ended) // what they have brought comes before what was written after it
	}
}

// readOnce reads, unless transactions have ended in whose gaps it has not looked: it returns these.
func (r *reader) readOnce(ctx context.Context) (all []row, ended []int64, err error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	from, to, open := r.cursor.rangesToRead()
	limit := max(r.s.readLimit, len(from)/20) // to look at many gaps takes its time
	aboveLimit := r.s.readLimit
	if len(from) > maxPending {
		aboveLimit = 0
	}
	begin := time.Now()
	outsideTx := r.conn.PgConn().TxStatus() == 'I' // else a canceled statement takes the transaction along
	rows, err := r.conn.Query(ctx, readRowsSQL, r.cursor.high, limit, from, to, aboveLimit, open)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the outbox: %w", err)
	}
	var inPending, aboveHigh []row
	bytes, stopped, xmax := 0, false, int64(0)
	for rows.Next() {
		var one row
		half, none := 0, false
		var at pgtype.Timestamptz
		if err := rows.Scan(&none, &half, &one.id, &one.xid, &at, &one.op, &one.table, &one.old, &one.new, &xmax, &ended); err != nil {
			rows.Close()
			return nil, nil, fmt.Errorf("cannot read the outbox: %w", err)
		}
		if none || len(ended) > 0 {
			break
		}
		one.at = at.Time
		n := len(inPending) + len(aboveHigh)
		stopped = bytes > maxBytes || n > 0 && time.Since(begin) > slowRead // the rest comes with the next read
		bytes += len(one.old) + len(one.new)
		if half == 0 {
			inPending = append(inPending, one)
		} else {
			aboveHigh = append(aboveHigh, one)
		}
		if stopped {
			if outsideTx {
				_ = r.conn.PgConn().CancelRequest(ctx) // else the rest is sent all the same
			}
			break
		}
	}
	rows.Close()
	var serverErr *pgconn.PgError
	if err := rows.Err(); err != nil && !(stopped && errors.As(err, &serverErr) && serverErr.Code == queryCanceled) {
		return nil, nil, fmt.Errorf("cannot read the outbox: %w", err)
	}
	if len(ended) > 0 {
		return nil, ended, nil
	}
	switch took := time.Since(begin); {
	case took > slowRead:
		r.s.readLimit = max(r.s.readLimit/4, 1)
		if fit := int(time.Duration(len(inPending)+len(aboveHigh)) * slowRead / took); stopped && bytes > slowLinkBytes {
			r.s.readLimit = max(min(r.s.readLimit, fit), 1) // what the server sends beyond is sent twice
		}
	case stopped:
		r.s.readLimit = max(r.s.readLimit/2, 1)
	default:
		r.s.readLimit = min(2*limit, maxRows)
	}
	// Where not all that lies in gaps was seen, nothing from beyond may overtake it.
	sawUpTo := int64(sawAll)
	if len(inPending) == limit || stopped && len(aboveHigh) == 0 {
		aboveHigh, sawUpTo = nil, inPending[len(inPending)-1].id
		r.holdersChecked = time.Time{} // what has ended is to be known at once: there is more of it
	}
	all = append(inPending, aboveHigh...)
	slices.SortFunc(all, func(a, b row) int { return cmp.Compare(a.id, b.id) })
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].id
	}
	r.reuse.noteRead(all, xmax)
	if n := len(all); n > 0 && all[n-1].id > r.cursor.high {
		r.known.lastChange = changeMark{all[n-1].id, all[n-1].at}
	}
	r.dirty = r.dirty || r.cursor.hasFinal
	r.cursor.advance(ids, sawUpTo)
	if sawUpTo == sawAll {
		r.cursor.noteFullRead()
	}
	r.unemitted = append(r.unemitted, ids...)
	return all, nil, nil
}

// sequenceHolders has the transactions that hold the lock on the sequence, with the lower half of
// their ids: of its subtransactions, too, each has one, of which its own is the oldest.
const sequenceHoldersSQL = `WITH l AS MATERIALIZED (SELECT * FROM pg_locks)
	SELECT s.virtualtransaction, coalesce((SELECT t.transactionid::text::bigint FROM l t WHERE t.locktype = 'transactionid' AND t.mode = 'ExclusiveLock'
		AND t.virtualtransaction = s.virtualtransaction ORDER BY age(t.transactionid) DESC LIMIT 1), 0)
	FROM l s WHERE s.locktype = 'relation' AND s.mode = 'RowExclusiveLock'
	AND s.relation = $1::bigint::oid AND s.database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// settle looks who may still bring ids that lie in gaps. Whoever has drawn an id holds
// this lock on the sequence until all that he did is visible.
func (r *reader) updateHolders(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var last int64
	if err := r.conn.QueryRow(ctx, "SELECT coalesce(pg_sequence_last_value($1::bigint::oid), 0)", r.sequence).Scan(&last); err != nil {
		return fmt.Errorf("cannot see the sequence of the outbox: %w", err)
	}
	rows, err := r.conn.Query(ctx, sequenceHoldersSQL, r.sequence)
	if err != nil {
		return fmt.Errorf("cannot see who writes: %w", err)
	}
	now, name, xid := lockHolders{}, "", int64(0)
	if _, err := pgx.ForEachRow(rows, []any{&name, &xid}, func() error {
		now[name] = r.reuse.fullXID(xid)
		return nil
	}); err != nil {
		return fmt.Errorf("cannot see who writes: %w", err)
	}
	r.cursor.updateHolders(now, last)
	return nil
}
