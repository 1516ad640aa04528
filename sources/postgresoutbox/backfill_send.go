package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
)

// next sends the next rows, and returns how many keys it has found.
func (b *backfill) next(ctx context.Context) (n int, err error) {
	if err := b.awaitReaders(ctx); err != nil {
		return 0, err
	}
	keys, err := b.nextKeys(ctx)
	for isRetryable(err) { // the table is locked
		if err := b.pause(ctx, "another session has locked the table %s: waiting\n", b.written); err != nil {
			return 0, err
		}
		keys, err = b.nextKeys(ctx)
	}
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	for len(keys) > 0 {
		part := keys[:min(b.size, len(keys))]
		if err := b.send(ctx, part); isRetryable(err) { // a transaction has changed one of these rows
			b.size = max(len(part)/4, 1)
			if err := b.pause(ctx, "a transaction that has changed a row after the key %s is open: waiting for its end\n", keyText(b.key)); err != nil {
				return n, err
			}
			continue
		} else if err != nil {
			return n, fmt.Errorf("cannot write rows of %s into the outbox: %w", b.written, err)
		}
		b.waiting = time.Time{}
		b.key, n, keys = part[len(part)-1], n+len(part), keys[len(part):]
	}
	return n, nil
}

// nextKeys finds the keys of the next rows, without locking them, because that may take long. --where is evaluated with
// the search path of the session.
func (b *backfill) nextKeys(ctx context.Context) (keys [][]string, err error) {
	tx, err := b.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "SET TRANSACTION READ ONLY; SET LOCAL search_path TO DEFAULT", pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, err
	}
	args := []any{b.size}
	if b.key != nil {
		args = append(args, b.key)
	}
	rows, err := tx.Query(ctx, b.query.NextKeysSQL(b.alias, b.where, b.key != nil), args...)
	if err == nil {
		keys, err = pgx.CollectRows(rows, pgx.RowTo[[]string])
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find rows of %s: %w", b.written, err)
	}
	return keys, nil
}

// begin begins a transaction with the settings of a row. It returns an error if code of a role that is not trusted could
// run in it, with the rights of this session. The wait for a lock is shorter than deadlock_timeout: rather the backfill fails than a user's write.
func (b *backfill) begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := b.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return nil, err
	}
	set := fmt.Sprintf("SET LOCAL lock_timeout = %d; SET LOCAL row_security = off; %s; LOCK TABLE ONLY %s IN ROW SHARE MODE",
		backfillRetry.Milliseconds(), pgconn.SetSQL(pgconn.RowSettings, true), b.query.Table)
	if _, err = tx.Exec(ctx, set, pgx.QueryExecModeSimpleProtocol); err == nil {
		err = pgconn.CheckOwnersTrusted(ctx, tx, b.oid, b.owners)
	}
	if err != nil {
		_ = tx.Rollback(ctx) // the first error is the cause
		return nil, err
	}
	return tx, nil
}

// sendSQL locks the rows with the keys $1, and writes them.
const sendSQL = `WITH locked AS MATERIALIZED (%s), put AS (INSERT INTO gateway.outbox (op, tbl, new) SELECT '` + backfilled + `', $2, (%s)::json FROM locked RETURNING id)
	SELECT count(*), coalesce(max(id), 0), (SELECT coalesce(sum(octet_length(data)), 0) FROM locked) FROM put`

// send writes the rows that still exist.
func (b *backfill) send(ctx context.Context, keys [][]string) error {
	tx, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	data := "data"
	if encoding := b.conn.PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
		data = "pg_temp.gateway_text(data)"
		if _, err := tx.Exec(ctx, pgconn.ReadableTextSQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	begin := time.Now()
	var rows, last, bytes int64
	if err := tx.QueryRow(ctx, fmt.Sprintf(sendSQL, b.query.LockRowsSQL(), data), slices.Concat(keys...), b.written).Scan(&rows, &last, &bytes); err != nil {
		return err
	}
	end := "SELECT pg_notify('gateway_outbox', '') WHERE NOT pg_try_advisory_xact_lock_shared(26470, 1)" // as a writer does
	if data != "data" {
		end += "; DROP FUNCTION pg_temp.gateway_text(text)"
	}
	if _, err := tx.Exec(ctx, end, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	b.rows += rows
	if last > 0 {
		b.unread = append(b.unread, last)
	}
	switch took := time.Since(begin); {
	case took > slowBackfill || bytes > maxBackfillBytes:
		b.size = max(b.size/2, 1)
	case took < slowBackfill/2 && bytes < maxBackfillBytes/4:
		b.size = min(2*b.size, maxBackfill)
	}
	return nil
}

// SQLSTATEs of a chunk that has met a change of its rows.
const (
	deadlockDetected     = "40P01"
	serializationFailure = "40001" // the row has moved to another partition
)

func isRetryable(err error) bool {
	var serverErr *pg.PgError
	return errors.As(err, &serverErr) && slices.Contains([]string{lockNotAvailable, deadlockDetected, serializationFailure}, serverErr.Code)
}

// awaitReaders waits until the readers have read all but the latest transactions, so that the outbox does not grow, and no reader
// is detached.
func (b *backfill) awaitReaders(ctx context.Context) error {
	for len(b.unread) >= maxUnreadChunks {
		var high int64
		var slowest string
		err := b.conn.QueryRow(ctx, "SELECT r.hi, r.name FROM gateway.outbox_reader r WHERE "+notDetachedSQL+" ORDER BY r.hi LIMIT 1").Scan(&high, &slowest)
		if errors.Is(err, pgx.ErrNoRows) {
			return errors.New("the readers were detached, or removed")
		}
		if err != nil {
			return fmt.Errorf("cannot read how far the readers are: %w", err)
		}
		if i := slices.IndexFunc(b.unread, func(id int64) bool { return id > high }); i != 0 {
			if i < 0 {
				i = len(b.unread)
			}
			b.unread, b.waiting = b.unread[i:], time.Time{}
			return nil
		}
		if err := b.pause(ctx, "the reader %s has not read what was sent: is its gateway running, and do its sinks take events?\n", slowest); err != nil {
			return err
		}
	}
	return nil
}

// pause waits shortly, and shows why if that goes on.
func (b *backfill) pause(ctx context.Context, format string, args ...any) error {
	if b.waiting.IsZero() {
		b.waiting = time.Now()
	}
	if time.Since(b.waiting) > backfillWaitShown && time.Since(b.reported) > backfillWaitShown {
		b.report(format, args...)
	}
	select {
	case <-time.After(backfillRetry):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
