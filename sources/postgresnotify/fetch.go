package postgresnotify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
)

// fetchTimeout bounds how long an event waits until its row is found, and then how long the server may
// send nothing.
const fetchTimeout = 5 * time.Second

// fetcher fetches rows that were too large for a notification, one after the other. It reads the
// catalog in a session of its own, and rows in that of its reader.
type fetcher struct {
	config *pgconn.SessionConfig
	tables map[string]bool // quoted names, of tables that may be fetched from; empty: all
	reader pgconn.RowReader
	conn   *pgx.Conn
}

// payload returns the payload of a small row, with the row as it is now. It returns nil if the row is
// deleted.
func (f *fetcher) payload(ctx context.Context, since time.Time, channel string, m largeRow) ([]byte, error) {
	if m.operation == "DELETE" {
		return nil, nil
	}
	row, err := f.row(ctx, since, channel, m)
	if errors.Is(err, pgconn.ErrChanged) { // the table was rewritten while the row was read
		row, err = f.row(ctx, since, channel, m)
	}
	if err != nil || row == nil {
		return nil, err
	}
	return m.payload(row), nil
}

// tableSQL finds a table, but only one that has the trigger of `gateway sql` for this channel and
// field, and whose trigger function belongs to this role, to a superuser, or to a
// trusted role: every role may notify, and must not cause other tables to be read.
const tableSQL = `SELECT n.nspname::text, c.relname::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = to_regclass($1) AND EXISTS (
   SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_roles o ON o.oid = p.proowner
    WHERE t.tgrelid = c.oid AND p.proname = 'gateway_notify'
      AND t.tgargs = convert_to($2, getdatabaseencoding()) || decode('00', 'hex') || convert_to($3, getdatabaseencoding()) || decode('00', 'hex')
      AND (o.rolsuper OR o.rolname = session_user OR o.rolname = ANY ($4::text[])))`

// table returns the table of a row that may be fetched. It uses a new session if there is none, or if the server has ended it.
func (f *fetcher) table(ctx context.Context, channel string, m largeRow) (name pgtrigger.Table, err error) {
	for {
		isNew := f.conn == nil || f.conn.IsClosed()
		if isNew {
			if f.conn, err = pgconn.Connect(ctx, f.config); err != nil {
				return name, pgconn.Summarize(err)
			}
		}
		err = pgconn.InTx(ctx, f.conn, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, tableSQL, m.table, channel, m.field, f.reader.Owners).Scan(&name.Schema, &name.Name)
		})
		if err == nil || isNew || !f.conn.IsClosed() || ctx.Err() != nil {
			return name, err
		}
	}
}

// row returns the row as JSON, nil if it is deleted. The event has waited since the given time.
func (f *fetcher) row(ctx context.Context, since time.Time, channel string, m largeRow) ([]byte, error) {
	limited, cancel := context.WithDeadline(ctx, since.Add(fetchTimeout))
	defer cancel()
	name, err := f.table(limited, channel, m)
	table := name.String()
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("the table %.200s has no trigger of gateway sql for this channel whose function belongs to this role, a superuser, or one of owners", m.table)
	case err != nil:
		return nil, err
	case len(f.tables) > 0 && !f.tables[table]:
		return nil, fmt.Errorf("the table %s is not in the option tables", table)
	}
	var args []string
	reading, err := f.reader.Begin(limited, table, "", func(key []pgconn.KeyColumn, partitioned bool) (string, error) {
		if len(key) == 0 {
			return "", fmt.Errorf("the table %s has no primary key", table)
		}
		for _, c := range key {
			value, err := keyText(m.key[c.Name])
			if err != nil {
				return "", fmt.Errorf("the key of %s: %s: %w", table, c.Name, err)
			}
			args = append(args, value)
		}
		return pgconn.KeyQuery{Table: table, Partitioned: partitioned, Key: key}.RowSQL(), nil
	})
	if err != nil {
		return nil, err
	}
	defer reading.End(ctx)
	if err := reading.Run(limited, args); err != nil {
		return nil, err
	}
	rows, err := reading.Rows(ctx, 0)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].Data, nil
}

// keyText returns a value of a key as PostgreSQL parses it.
func keyText(value json.RawMessage) (text string, err error) {
	switch {
	case len(value) == 0 || string(value) == "null":
		return "", errors.New("is missing")
	case value[0] == '"':
		err = json.Unmarshal(value, &text)
		return text, err
	}
	return string(value), nil // a number, or text for jsonb
}

func (f *fetcher) close() {
	f.reader.Close()
	if f.conn != nil {
		pgconn.Close(f.conn)
	}
}
