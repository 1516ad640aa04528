package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/plugin"
)

const (
	minSleepPause = 16 * time.Millisecond // the shortest pause after which the reader may sleep
	maxSleep      = 5 * time.Second       // after which it reads without a notification
	// lockWarnAfter is how long another session must have the lock until that is logged, and
	// lockWarnEvery is the time between two such logs.
	lockWarnAfter = time.Minute
	lockWarnEvery = 10 * time.Minute
)

// sleep waits for a notification if there is nothing to do, and reports whether it did. Meanwhile it
// holds an advisory lock: a writer tries to share it, and notifies if it cannot. No session
// waits for this lock, and it is released with the session.
func (r *reader) sleep(ctx context.Context, out plugin.Output, pause time.Duration) (slept bool, err error) {
	waiting, _ := r.inFlight.State()
	if r.s.opts.Wake != "bell" || pause < minSleepPause || len(r.cursor.pending) > 0 || waiting > 0 || r.inFlight.Progressed() || r.dirty || r.deletionPending {
		return false, nil
	}
	if err := r.queryBool(ctx, "SELECT pg_try_advisory_lock(26470, 1)", &slept); err != nil || !slept {
		return false, errors.Join(err, r.warnLockHolder(ctx)) // a writer is at work, or another reader sleeps
	}
	r.lockedOutSince = time.Time{}
	// A writer that tried the lock before has committed, and did not notify: read once more.
	n, err := r.readAndEmit(ctx, out)
	if err == nil && n == 0 && len(r.cursor.pending) == 0 {
		var notified bool
		notified, err = r.awaitNotification(ctx)
		if err == nil {
			n, err = r.readAndEmit(ctx, out)                            // while writers still notify
			r.deletionPending = r.deletionPending || notified && n == 0 // it may be a change below high, which deleteDelivered finds
		}
	}
	if err != nil {
		return true, err
	}
	var released bool
	return true, r.queryBool(ctx, "SELECT pg_advisory_unlock(26470, 1)", &released)
}

// warnLockHolder logs which session keeps the reader from sleeping for minutes. Any role of the
// database can take this lock. Nothing is lost by it.
func (r *reader) warnLockHolder(ctx context.Context) error {
	if r.lockedOutSince.IsZero() {
		r.lockedOutSince = time.Now()
	}
	if time.Since(r.lockedOutSince) < r.s.lockWarnAfter {
		return nil
	}
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var pid int
	var role string
	err := r.conn.QueryRow(ctx, lockHolderSQL, r.s.lockWarnAfter.Seconds()).Scan(&pid, &role)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // writers share it in turn
	case err != nil:
		return fmt.Errorf("cannot read the holder of the outbox's advisory lock: %w", err)
	default:
		r.s.log.Warn("outbox advisory lock held by another session", "effect", "writes are slower, and this reader polls", "role", role, "pid", pid)
	}
	r.lockedOutSince = time.Now().Add(lockWarnEvery - r.s.lockWarnAfter)
	return nil
}

// lockHolderSQL finds the session that has had the lock for longest, and for more than $1 seconds. A
// writer has it for one transaction, so the age of its transaction counts.
const lockHolderSQL = `SELECT a.pid, coalesce(a.usename::text, '') FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 26470 AND l.objid = 1 AND l.objsubid = 2 AND l.pid <> pg_backend_pid()
	AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
	AND clock_timestamp() - coalesce(a.xact_start, a.state_change, a.backend_start) > $1 * interval '1 second'
	ORDER BY coalesce(a.xact_start, a.state_change) LIMIT 1`

// awaitNotification waits for a notification, and reports whether one arrived.
func (r *reader) awaitNotification(ctx context.Context) (notified bool, err error) {
	timed, cancel := context.WithTimeout(ctx, maxSleep)
	defer cancel()
	_, err = r.conn.WaitForNotification(timed)
	if err != nil && timed.Err() == nil {
		return false, fmt.Errorf("lost the connection to %s: %w", r.s.opts.URL, err)
	}
	return err == nil, ctx.Err()
}

func (r *reader) queryBool(ctx context.Context, sql string, answer *bool) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := r.conn.QueryRow(ctx, sql).Scan(answer); err != nil {
		return fmt.Errorf("no answer from %s: %w", r.s.opts.URL, err)
	}
	return nil
}
