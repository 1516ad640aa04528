package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// postgresStore stores the state in the table gateway_state, which it creates. It has one connection, which it opens with the first
// call, and after an error.
type postgresStore struct {
	url    options.URL
	name   string
	config *pgconn.SessionConfig

	mu     sync.Mutex
	conn   *pgx.Conn
	closed bool
}

// idleSilence bounds how long the server may stay silent during a statement.
const idleSilence = 10 * time.Second

// CreateSQL creates the table. The row with the key "" has the highest term.
const CreateSQL = `CREATE TABLE IF NOT EXISTS gateway_state (gateway text, component text, key text, value bytea NOT NULL, term bigint NOT NULL, stored_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (gateway, component, key))`

const (
	getSQL = `SELECT value FROM gateway_state WHERE gateway = $1 AND component = $2 AND key = $3`
	// raiseSQL locks the row with the term until the end of the transaction, so that a later leader waits for an earlier one.
	raiseSQL = `INSERT INTO gateway_state AS s (gateway, component, key, value, term) VALUES ($1, $2, '', '', $3)
ON CONFLICT (gateway, component, key) DO UPDATE SET term = greatest(s.term, excluded.term), stored_at = now() RETURNING term`
	putSQL = `INSERT INTO gateway_state (gateway, component, key, value, term) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (gateway, component, key) DO UPDATE SET value = excluded.value, term = excluded.term, stored_at = now()`
	deleteSQL = `DELETE FROM gateway_state WHERE gateway = $1 AND component = $2 AND key = $3`
)

func newPostgres(o Options) (Store, error) {
	c, err := pgconn.PrimaryConfig(o.URL, "state")
	if err != nil {
		return nil, err
	}
	return &postgresStore{url: o.URL, name: o.Name, config: c}, nil
}

// use calls f with the connection. After a failure of it, the next call opens another one.
func (s *postgresStore) use(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if s.conn == nil {
		conn, err := pgconn.Connect(ctx, s.config.Copy())
		if err != nil {
			return pgconn.Summarize(err)
		}
		s.conn = conn
	}
	bounded, cancel := pgconn.WithSilenceTimeout(ctx, s.conn, idleSilence)
	defer cancel()
	err := f(bounded, s.conn)
	var missing *pg.PgError
	if errors.As(err, &missing) && missing.Code == "42P01" { // undefined_table
		if _, err = s.conn.Exec(bounded, CreateSQL); err == nil {
			err = f(bounded, s.conn)
		} else {
			err = fmt.Errorf("cannot create its table: %w: run as an administrator: %s", err, CreateSQL)
		}
	}
	if s.conn.IsClosed() {
		s.conn = nil
	}
	if err == nil || plugin.IsPermanent(err) {
		return err
	}
	return pgconn.Unavailable(err)
}

func (s *postgresStore) get(ctx context.Context, scope Scope, key string) (value []byte, err error) {
	err = s.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, getSQL, s.name, string(scope), key).Scan(&value)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return value, err
}

func (s *postgresStore) put(ctx context.Context, scope Scope, key string, value []byte, term int64) error {
	return s.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if term > 0 {
				known := int64(0)
				if err := tx.QueryRow(ctx, raiseSQL, s.name, string(scope), term).Scan(&known); err != nil {
					return err
				}
				if known > term {
					return fenced(term, known)
				}
			}
			sql, args := putSQL, []any{s.name, string(scope), key, value, term}
			if len(value) == 0 {
				sql, args = deleteSQL, args[:3]
			}
			_, err := tx.Exec(ctx, sql, args...)
			return err
		})
	})
}

// Prepare is part of [Store].
func (s *postgresStore) Prepare(context.Context) error { return nil }

// Probe is part of [Store].
func (s *postgresStore) Probe(ctx context.Context) []plugin.Finding {
	var exists, mayWrite, mayCreate bool
	err := s.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT to_regclass('gateway_state') IS NOT NULL,
coalesce(has_table_privilege(to_regclass('gateway_state')::oid, 'SELECT') AND has_table_privilege(to_regclass('gateway_state')::oid, 'INSERT')
 AND has_table_privilege(to_regclass('gateway_state')::oid, 'UPDATE') AND has_table_privilege(to_regclass('gateway_state')::oid, 'DELETE'), false),
coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)`).Scan(&exists, &mayWrite, &mayCreate)
	})
	switch {
	case err != nil:
		return []plugin.Finding{{Level: plugin.Problem, Text: fmt.Sprintf("the state of components: cannot connect to %s: %v", s.url, err), Fix: "see that the server runs, and that user and password are right"}}
	case !exists && !mayCreate:
		return []plugin.Finding{{Level: plugin.Problem, Text: "the state of components: the table gateway_state does not exist, and the user may not create it", Fix: CreateSQL}}
	case exists && !mayWrite:
		return []plugin.Finding{{Level: plugin.Problem, Text: "the state of components: the user may not write the table gateway_state", Fix: fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON gateway_state TO %q", s.config.User)}}
	}
	return []plugin.Finding{{Text: fmt.Sprintf("the state of components can be stored in %s", s.url)}}
}

// Close is part of [Store].
func (s *postgresStore) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.conn != nil {
		pgconn.Close(s.conn)
		s.conn = nil
	}
}
