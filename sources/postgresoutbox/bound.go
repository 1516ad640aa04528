package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// The bound of a reader limits what the outbox holds for it. Its row in gateway.outbox_reader has the
// bound, and writers enforce it (bound.sql of package pgtrigger): only they make the outbox grow, and
// they also run when no gateway does. A writer that finds a reader beyond its bound detaches it by a row in
// gateway.outbox_detached with the reader's token. From then on other readers delete its changes,
// and writers do if no other reader is left.
//
// A detachment counts only while the reader has that token. So a reader that takes a new token is safe
// from then on. It skips what is in the outbox, and reports a gap. A running reader sees the
// detachment in each read: it is visible before a change is missing.

// boundVersion is the version of the SQL from which on writers enforce bounds.
const boundVersion = 4

const (
	minMaxAge   = time.Minute // a reader needs seconds to reconnect
	minMaxBytes = 64 << 20    // several reads
)

var errDetached = errors.New("this reader was detached, because it was beyond max_age or max_bytes: it skips the changes that it has missed")

// notDetachedSQL is the condition of a reader r that is not detached.
const notDetachedSQL = `NOT EXISTS (SELECT FROM gateway.outbox_detached d WHERE d.name = r.name AND d.token = r.token)`

// attachedReadersSQL are the readers for which changes stay in the outbox: this one, and all that are not detached.
func (r *reader) attachedReadersSQL() string {
	if !r.hasBound {
		return "gateway.outbox_reader"
	}
	return "(SELECT r.* FROM gateway.outbox_reader r WHERE r.name = " + pgtrigger.QuoteLiteral(r.s.opts.Name) + " OR " + notDetachedSQL + ")"
}

// detachedSQL is an expression that is true if this reader is detached.
func (r *reader) detachedSQL() string {
	if !r.hasBound {
		return "false"
	}
	return fmt.Sprintf("EXISTS (SELECT FROM gateway.outbox_detached d WHERE d.name = %s AND d.token = %d)", pgtrigger.QuoteLiteral(r.s.opts.Name), r.token)
}

// discardUnreadSQL moves the cursor of a detached reader $1 with the token $2 above all ids. All of them are pending
// at first, so that no reader deletes a change that this one may still need.
const discardUnreadSQL = `UPDATE gateway.outbox_reader r SET hi = l.last, gaps = int8multirange(int8range(1, l.last + 1)), low = 0
	FROM (SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('gateway.outbox', 'id')::regclass), 0) AS last) l,
		LATERAL (SELECT d.at, d.reason FROM gateway.outbox_detached d WHERE d.name = $1 AND d.token >= (SELECT attached FROM gateway.outbox_reader WHERE name = $1) ORDER BY d.at DESC LIMIT 1) d
	WHERE r.name = $1 AND r.token = $2 AND r.token > 1 RETURNING r.hi, d.at, d.reason`

// discardUnread moves the cursor of this reader if it was detached, and returns why.
func (r *reader) discardUnread(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (reason string, err error) {
	var at time.Time
	var high int64
	err = q.QueryRow(ctx, discardUnreadSQL, r.s.opts.Name, r.token).Scan(&high, &at, &reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot find out whether this reader was detached: %w", err)
	}
	r.cursor = cursor{high: high, pending: []idRange{{from: 1, to: high}}}
	if high == 0 {
		r.cursor.pending = nil
	}
	r.stored = [2]storedBounds{{high, 0}, {high, 0}}
	return fmt.Sprintf("the reader %s was detached from the outbox at %s, because %s: changes that it had not read until now are lost", r.s.opts.Name, at.UTC().Format(time.RFC3339), reason), nil
}

// missingIDsSQL finds the ranges of ids above $1, up to $2, that have no visible change.
const missingIDsSQL = `SELECT before + 1, id - 1 FROM (SELECT id, lag(id, 1, $1::bigint) OVER (ORDER BY id) AS before FROM gateway.outbox WHERE id > $1 AND id <= $2) o WHERE id > before + 1
	UNION ALL SELECT last + 1, $2 FROM (SELECT coalesce(max(id), $1) AS last FROM gateway.outbox WHERE id > $1 AND id <= $2) o WHERE last < $2`

// skipVisible takes all visible changes from the pending ids. What open transactions have written stays pending, because a
// snapshot that begins now may not include it.
func (r *reader) skipVisible(ctx context.Context, belowLowest int64) error {
	tx, err := r.beginRepeatableRead(ctx)
	if err != nil {
		return fmt.Errorf("cannot skip the changes that are lost: %w", err)
	}
	high := r.cursor.high
	var missing []idRange
	from := min(max(belowLowest, 0), high)
	if from > 0 {
		missing = append(missing, idRange{from: 1, to: from})
	}
	for ; from < high; from += r.s.maxCheckIDs {
		found, err := r.queryRanges(ctx, missingIDsSQL, from, min(from+r.s.maxCheckIDs, high))
		if err != nil {
			return fmt.Errorf("cannot skip the changes that are lost: %w", err)
		}
		missing = append(missing, found...)
	}
	limited, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := tx.Commit(limited); err != nil {
		return fmt.Errorf("cannot skip the changes that are lost: %w", err)
	}
	r.cursor = cursor{high: high}
	r.cursor.reopen(missing)
	r.reuse = newReuseDetector(high, nil, belowLowest)
	tag, err := r.conn.Exec(limited, `UPDATE gateway.outbox_reader SET gaps = $3::text::int8multirange, low = $4, saved = now() WHERE name = $1 AND token = $2`,
		r.s.opts.Name, r.token, r.cursor.multirange(), r.cursor.low())
	if err != nil {
		return fmt.Errorf("cannot store the cursor: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errFenced
	}
	r.stored = [2]storedBounds{{high, r.cursor.low()}, {high, r.cursor.low()}}
	r.dirty = true // what it has seen is stored with the cursor
	return nil
}

// queryRanges returns ranges of ids.
func (r *reader) queryRanges(ctx context.Context, sql string, args ...any) ([]idRange, error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	rows, err := r.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (g idRange, err error) { return g, row.Scan(&g.from, &g.to) })
}

// attach stores the bound, and the token from which on a detachment counts.
func (r *reader) attach(ctx context.Context, out plugin.Output) error {
	o := r.s.opts
	if !r.hasBound {
		if (o.MaxAge > 0 || o.MaxBytes > 0) && !r.s.warnedBound {
			r.s.warnedBound = true
			out.ReportError(errors.New("max_age and max_bytes have no effect: " + boundNeedsVersion))
		}
		return nil
	}
	var age *float64
	if o.MaxAge > 0 {
		seconds := o.MaxAge.D().Seconds()
		age = &seconds
	}
	var bytes *int64
	if o.MaxBytes > 0 {
		n := int64(o.MaxBytes)
		bytes = &n
	}
	// If another reader has taken over meanwhile, nothing is stored, and the next save fails.
	if _, err := r.conn.Exec(ctx, `WITH void AS (DELETE FROM gateway.outbox_detached WHERE name = $1 AND (token < $2 OR $2 = 1))
		UPDATE gateway.outbox_reader SET attached = $2, max_age = $3 * interval '1 second', max_bytes = $4 WHERE name = $1 AND token = $2`, o.Name, r.token, age, bytes); err != nil {
		return fmt.Errorf("cannot store max_age and max_bytes: %w", err)
	}
	return nil
}

var boundNeedsVersion = fmt.Sprintf("the SQL of the outbox is older than version %d: gateway sql --migrate --apply", boundVersion)
