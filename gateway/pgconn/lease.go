package pgconn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// leaseRow is the lease of a leader in gateway.leader, as a candidate has last read it. The leader
// writes it at each confirmation. A standby takes it over
//   - at once, if it gets the advisory lock and the holder had that lock: then the session of
//     the holder has ended;
//   - else when it has not changed for leaseTimeout, by the standby's own clock.
//
// The lock of a role that may not write the lease does not count. The lock of a
// role that may, without a lease, is that of an older gateway without leases: it leads.
type leaseRow struct {
	holder  string
	number  int64
	pid     int
	locked  bool
	expires time.Time // by the server's clock: only compared with itself
	seenAt  time.Time // when this state was first read, by the clock of this process
}

// leaseTimeout is how long a lease is valid without a change. It is longer than
// leaseDuration, after which the leader has stopped.
const leaseTimeout = leaseDuration + time.Second

// leaseStateSQL checks whether the table can be used. If its owner, or that of the schema, is
// not trusted, its triggers would run with this role's rights.
const leaseStateSQL = `SELECT c.oid IS NOT NULL,
	coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE'), false),
	coalesce((SELECT bool_and(r.rolsuper OR r.rolname = session_user OR r.rolname = ANY (coalesce($1::text[], '{}'))) FROM pg_roles r WHERE r.oid IN (c.relowner, n.nspowner)), false)
	FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'gateway' LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'leader' AND c.relkind = 'r'`

// openLease returns the lease to campaign for, nil if there is only the lock.
func (s Elector) openLease(ctx context.Context, t *term) (*leaseRow, error) {
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var exists, allowed, trusted bool
	if err := InTx(timed, t.conn, func(tx pgx.Tx) error {
		return tx.QueryRow(timed, leaseStateSQL, s.Owners).Scan(&exists, &allowed, &trusted)
	}); err != nil {
		return nil, fmt.Errorf("cannot look for the table gateway.leader at %s: %w", s.URL, err)
	}
	switch {
	case !exists:
		return nil, nil
	case !trusted:
		s.Log.Warn("lease not used", "reason", "the owner of gateway.leader is not trusted", "hint", "add the role to owners if you trust it")
		return nil, nil
	case !allowed: // it would lead by the lock while another one leads by the lease
		user := pgx.Identifier{t.conn.Config().User}.Sanitize()
		return nil, fmt.Errorf("this role may not write gateway.leader, in which the leaders of this database keep their leases: GRANT USAGE ON SCHEMA gateway TO %s; GRANT SELECT, INSERT, UPDATE ON gateway.leader TO %[1]s", user)
	}
	return &leaseRow{}, nil
}

// tryAcquire takes the lease if it is free, and returns its term, else 0. It notes in l whether
// the role that has the lock may write leases.
func (r *leaseRow) tryAcquire(ctx context.Context, tx pgx.Tx, t *term, l *lockResult) (number int64, err error) {
	if err := r.refresh(ctx, tx, t); err != nil {
		return 0, err
	}
	if err := l.identify(ctx, tx); err != nil {
		return 0, err
	}
	expired := r.holder == "" || time.Since(r.seenAt) > leaseTimeout
	free := expired || r.locked && l.acquired
	if l.trusted && l.pid != r.pid { // a gateway without a lease
		free = false
	}
	if free {
		number, err = r.acquire(ctx, tx, t)
	}
	if err == nil && number == 0 && l.acquired { // release it for the holder of the lease
		t.locked = false
		_, err = tx.Exec(ctx, "SELECT pg_advisory_unlock("+lockKeySQL+")", t.name)
	}
	return number, err
}

// identify notes whether the role that has the lock may write leases.
func (l *lockResult) identify(ctx context.Context, tx pgx.Tx) error {
	if l.acquired || l.trusted || l.pid == 0 {
		return nil
	}
	return tx.QueryRow(ctx, "SELECT coalesce((SELECT has_table_privilege(usesysid, 'gateway.leader', 'UPDATE') FROM pg_stat_activity WHERE pid = $1), true)", l.pid).Scan(&l.trusted)
}

// refresh reads the lease.
func (r *leaseRow) refresh(ctx context.Context, tx pgx.Tx, t *term) error {
	var seen leaseRow
	err := tx.QueryRow(ctx, "SELECT holder, term, pid, locked, expires FROM gateway.leader WHERE name = $1", t.name).Scan(&seen.holder, &seen.number, &seen.pid, &seen.locked, &seen.expires)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	seen.seenAt = r.seenAt
	if seen != *r || r.seenAt.IsZero() {
		seen.seenAt = time.Now()
	}
	*r = seen
	return nil
}

// acquire overwrites the lease that was read last, and returns the new term, 0 if the lease has
// changed since.
func (r *leaseRow) acquire(ctx context.Context, tx pgx.Tx, t *term) (number int64, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO gateway.leader AS l (name, holder, term, pid, locked, expires)
		VALUES ($1, $2, greatest(`+t.nextSQL()+`, $8::bigint + 1), pg_backend_pid(), $3, clock_timestamp() + $4 * interval '1 second')
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = greatest(l.term + 1, excluded.term), pid = excluded.pid, locked = excluded.locked, expires = excluded.expires
		WHERE l.holder = $5 AND l.term = $6 AND l.expires = $7 RETURNING term`,
		t.name, t.id, t.locked, leaseDuration.Seconds(), r.holder, r.number, r.expires, t.above).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return number, err
}

// renew renews the lease. It also takes the advisory lock if a foreign role had it before. An older
// gateway without leases may take it first, and leads then.
func (r *leaseRow) renew(ctx context.Context, tx pgx.Tx, t *term) error {
	if !t.locked {
		var l lockResult
		if err := l.tryAcquire(ctx, tx, t.name); err != nil {
			return err
		}
		if err := l.identify(ctx, tx); err != nil {
			return err
		}
		if t.locked = l.acquired; l.trusted {
			return errors.New("a gateway that knows no leases has taken the lock: give all gateways the same version")
		}
	}
	tag, err := tx.Exec(ctx, `UPDATE gateway.leader SET expires = clock_timestamp() + $4 * interval '1 second', locked = $5
		WHERE name = $1 AND holder = $2 AND term = $3 AND pid = pg_backend_pid()`, t.name, t.id, t.number, leaseDuration.Seconds(), t.locked)
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("another gateway has taken the lease, or a pooler has given the connection another session")
	}
	return err
}

// release gives the lease up. If it fails, the lease expires.
func (r *leaseRow) release(t *term) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = t.conn.Exec(ctx, "UPDATE gateway.leader SET holder = '' WHERE name = $1 AND holder = $2 AND term = $3", t.name, t.id, t.number)
}
