package pgconn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// A leadership is an advisory lock of a session of its own: it ends with the session, within
// milliseconds if the leader's process ends. Any role of the database can take this lock.
// If the database has the table gateway.leader, the leader also stores a lease there, and the lock
// of a role that may not write it does not count (lease.go).
const (
	// leaseDuration is how long the server keeps a session that sends nothing, such as that of a
	// frozen process, or of a machine without power.
	leaseDuration = 6 * time.Second
	// campaignEvery is how often a standby tries to get the lock. It does not wait for it in
	// the server, because that would keep a snapshot open, which VACUUM must respect.
	campaignEvery = 500 * time.Millisecond
	// answerTimeout is how long the server may take for an answer about the lock.
	answerTimeout = 2 * time.Second
)

// undefinedObject is the SQLSTATE of a setting that the server does not know.
const undefinedObject = "42704"

// lockKeySQL is the key of the advisory lock of the leader $1.
const lockKeySQL = `hashtextextended('eventgateway leader ' || $1, 0)`

// tryLockSQL takes the lock if it is free. Else it returns the session and the role that have it.
const tryLockSQL = `SELECT l.locked, CASE WHEN l.locked THEN pg_backend_pid() ELSE coalesce(h.pid, 0) END, coalesce(h.role, ''), coalesce(h.role, '') = session_user
	FROM (SELECT pg_try_advisory_lock(` + lockKeySQL + `) AS locked) l LEFT JOIN LATERAL (
		SELECT k.pid, coalesce(a.usename::text, '') AS role FROM pg_locks k LEFT JOIN pg_stat_activity a USING (pid)
		WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1 AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND (k.classid::bigint << 32 | k.objid::bigint) = ` + lockKeySQL + ` LIMIT 1) h ON NOT l.locked`

// Elector is a [plugin.Elector] that elects at a database.
type Elector struct {
	Config *SessionConfig
	URL    options.URL
	Log    *slog.Logger
	Owners []string // roles that may own the table gateway.leader, beside superusers and the session's own
}

// lockResult is the result of an attempt to get the advisory lock.
type lockResult struct {
	acquired bool
	pid      int    // of the session that has it
	role     string // of that session
	trusted  bool   // the role is that of this session, or may write the lease
}

// tryAcquire takes the lock if it is free.
func (l *lockResult) tryAcquire(ctx context.Context, tx pgx.Tx, name string) error {
	return tx.QueryRow(ctx, tryLockSQL, name).Scan(&l.acquired, &l.pid, &l.role, &l.trusted)
}

// Campaign is part of [plugin.Elector].
func (s Elector) Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (plugin.Leadership, error) {
	config := s.Config.Copy()
	config.RuntimeParams["application_name"] += " leader"
	conn, err := Connect(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", s.URL, Summarize(err))
	}
	t := &term{conn: conn, duration: leaseDuration, name: name, id: rand.Text(), above: above}
	if err := s.campaign(ctx, t, standby); err != nil {
		t.Resign()
		return nil, err
	}
	return t, nil
}

func (s Elector) campaign(ctx context.Context, t *term, standby func(holder string)) error {
	err := s.verifySession(ctx, t) // before it leaves a setting or a lock in a session that others get
	if err == nil {
		err = s.limitIdle(ctx, t)
	}
	if err == nil {
		err = s.readTimeline(ctx, t)
	}
	if err == nil {
		t.lease, err = s.openLease(ctx, t)
	}
	if err == nil {
		err = s.checkTimeline(ctx, t)
	}
	if err != nil {
		return Unavailable(err)
	}
	tick := time.NewTicker(campaignEvery)
	defer tick.Stop()
	for stoodBy := false; ; stoodBy = true {
		holder, err := t.tryAcquire(ctx)
		if err != nil {
			return Unavailable(fmt.Errorf("cannot take the lock of the leader %s at %s: %w", t.name, s.URL, err))
		}
		if t.number > 0 {
			if stoodBy { // the pooler's mode may have changed, so that the lock may be the leader's own
				err = s.verifySession(ctx, t)
			}
			return err
		}
		standby(holder)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// verifySession checks that the session belongs to the connection. Else all gateways behind a pooler
// would share the lock, and each would lead.
func (s Elector) verifySession(ctx context.Context, t *term) (err error) {
	if t.pid, err = VerifySession(ctx, t.conn, t.conn.Config()); err != nil {
		return Unavailable(fmt.Errorf("cannot lead at %s: %w", s.URL, err))
	}
	return nil
}

// limitIdle configures the server to end the session after leaseDuration without a message.
func (s Elector) limitIdle(ctx context.Context, t *term) error {
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := t.conn.Exec(timed, fmt.Sprintf("SET idle_session_timeout = %d", leaseDuration.Milliseconds()))
	var serverErr *pg.PgError
	if errors.As(err, &serverErr) && serverErr.Code == undefinedObject { // before PostgreSQL 14
		s.Log.Warn("idle session timeout not supported", "effect", "a frozen leader is not replaced", "hint", "use PostgreSQL 14 or newer")
		t.duration = 0
		return nil
	}
	return err
}

// term is a leadership, or an attempt to get it.
type term struct {
	conn     *pgx.Conn
	pid      uint32 // of the server's process that serves conn
	name     string
	id       string // of this campaign
	number   int64  // 0: none
	above    int64  // what number must be higher than
	timeline string // an expression
	duration time.Duration
	lease    *leaseRow // nil: there is only the lock
	locked   bool
}

// Term is part of [plugin.Leadership].
func (t *term) Term() int64 { return t.number }

// Lease is part of [plugin.Leadership].
func (t *term) Lease() time.Duration { return t.duration }

// tryAcquire takes the leadership if it is free. Else it returns who has the lock, "" if that is
// another gateway.
func (t *term) tryAcquire(ctx context.Context) (holder string, err error) {
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var l lockResult
	number := int64(0)
	err = InTx(timed, t.conn, func(tx pgx.Tx) error {
		if err := l.tryAcquire(timed, tx, t.name); err != nil {
			return err
		}
		t.locked = l.acquired
		switch {
		case t.lease != nil:
			number, err = t.lease.tryAcquire(timed, tx, t, &l)
			return err
		case l.acquired:
			return tx.QueryRow(timed, "SELECT greatest("+t.nextSQL()+", $1::bigint + 1)", t.above).Scan(&number)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	t.number = number // not before the lease is committed
	return l.foreignHolder(), nil
}

// foreignHolder returns the role that has the lock, "" if that is a role of gateways.
func (l lockResult) foreignHolder() string {
	if l.trusted || l.acquired || l.pid == 0 {
		return ""
	}
	return fmt.Sprintf("the role %q, pid %d", l.role, l.pid)
}

// Confirm is part of [plugin.Leadership]. It checks the lock, and the session: a pooler whose mode
// has changed may give the connection another one.
func (t *term) Confirm(ctx context.Context) error {
	if t.lease != nil {
		return Unavailable(InTx(ctx, t.conn, func(tx pgx.Tx) error { return t.lease.renew(ctx, tx, t) }))
	}
	var pid uint32
	var held bool
	err := t.conn.QueryRow(ctx, "SELECT pg_backend_pid()::bigint, EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted)").Scan(&pid, &held)
	if err == nil {
		err = CheckSameSession(t.conn.Config(), pid, t.pid)
	}
	if err == nil && !held {
		err = errors.New("the session has lost the lock")
	}
	return Unavailable(err)
}

// Resign is part of [plugin.Leadership].
func (t *term) Resign() {
	if t.lease != nil {
		t.lease.release(t)
	}
	if t.locked { // a pooler may keep the session
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _ = t.conn.Exec(ctx, "SELECT pg_advisory_unlock("+lockKeySQL+")", t.name) // if this fails, the lock ends with the session
	}
	Close(t.conn)
}
