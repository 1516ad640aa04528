package pgconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// A leadership is an advisory lock of a session of its own: it goes with the
// session, within milliseconds where the leader's process ends.
const (
	// lease is how long the server keeps a session from which nothing comes, as
	// that of a process which is frozen, or of a machine without power.
	lease = 6 * time.Second
	// standbyEvery is how often one that stands by tries to get the lock. It does
	// not wait for it in the server: that would keep a snapshot open, and VACUUM
	// from its work, for as long as the leader lives.
	standbyEvery = 500 * time.Millisecond
	// answerTimeout is how long the server may take to say who has the lock.
	answerTimeout = 2 * time.Second
)

// undefinedObject is the SQLSTATE of a setting that the server does not know.
const undefinedObject = "42704"

// tryLock takes the lock where nobody has it. The term is the server's clock, in
// microseconds: it rises with every leader, also where the database is another one.
const tryLock = `SELECT pg_try_advisory_lock(hashtextextended('eventgateway leader ' || $1, 0)),
	(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

// Elector is a [plugin.Elector] at a database.
type Elector struct {
	Config *pgx.ConnConfig
	URL    options.URL
	Log    *slog.Logger
}

// Campaign is part of [plugin.Elector].
func (s Elector) Campaign(ctx context.Context, name string, standby func()) (plugin.Leadership, error) {
	config := s.Config.Copy()
	config.RuntimeParams["application_name"] += " leader"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", s.URL, Reason(err))
	}
	t := &term{conn: conn, lease: lease}
	if err := s.campaign(ctx, t, name, standby); err != nil {
		Close(conn)
		return nil, err
	}
	return t, nil
}

func (s Elector) campaign(ctx context.Context, t *term, name string, standby func()) error {
	if err := s.limitIdle(ctx, t); err != nil {
		return err
	}
	tick := time.NewTicker(standbyEvery)
	defer tick.Stop()
	for {
		held := false
		timed, cancel := context.WithTimeout(ctx, answerTimeout)
		err := t.conn.QueryRow(timed, tryLock, name).Scan(&held, &t.number)
		cancel()
		if err != nil {
			return fmt.Errorf("cannot take the lock of the leader %s at %s: %w", name, s.URL, err)
		}
		if held {
			return nil
		}
		standby()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// limitIdle has the server end the session when nothing comes for the lease.
func (s Elector) limitIdle(ctx context.Context, t *term) error {
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := t.conn.Exec(timed, fmt.Sprintf("SET idle_session_timeout = %d", lease.Milliseconds()))
	var said *pg.PgError
	if errors.As(err, &said) && said.Code == undefinedObject { // before PostgreSQL 14
		s.Log.Warn("this server cannot end idle sessions: a leader that is frozen is not replaced; PostgreSQL 14 or newer can")
		t.lease = 0
		return nil
	}
	return err
}

// term is a lock that a session holds.
type term struct {
	conn   *pgx.Conn
	number int64
	lease  time.Duration
}

func (t *term) Term() int64          { return t.number }
func (t *term) Lease() time.Duration { return t.lease }
func (t *term) Resign()              { Close(t.conn) }

// Confirm is part of [plugin.Leadership]. It looks for the lock, and not only for the
// session: behind a transaction pooler that may be another one than that which has it.
func (t *term) Confirm(ctx context.Context) error {
	held := false
	err := t.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted)").Scan(&held)
	if err == nil && !held {
		err = errors.New("the session has lost the lock: is there a transaction pooler (pgbouncer with pool_mode = transaction) in between?")
	}
	return err
}
