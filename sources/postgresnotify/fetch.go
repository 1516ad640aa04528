package postgresnotify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
)

// fetchTimeout bounds one fetch, and how long an event waits for its turn to be fetched.
const fetchTimeout = 5 * time.Second

// fetcher fetches rows that were too large for a notification, one after the other. It reads the
// catalog in a session of its own, and rows in that of its reader.
type fetcher struct {
	config *pgx.ConnConfig
	tables map[string]bool // quoted names, of tables that may be fetched from; empty: all
	reader pgconn.RowReader
	conn   *pgx.Conn
}

// complete returns the payload as it would have been, had the row been small: with the row as
// it is now. A row that is gone is left as its key.
func (f *fetcher) complete(ctx context.Context, channel string, m marked) ([]byte, error) {
	if m.operation == "DELETE" {
		return m.payload(m.rawKey), nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	row, err := f.row(ctx, channel, m)
	if err != nil {
		return nil, err
	}
	if row == nil {
		row = m.rawKey
	}
	return m.payload(row), nil
}

// keyColumns lists the primary key of a table, but only of one that has the trigger of `gateway
// sql` for this channel and field, and whose trigger function belongs to this role, to a
// superuser, or to one that is trusted: every role may notify, and must get no other table
// read.
const keyColumns = `SELECT n.nspname::text, c.relname::text, array_agg(a.attname::text), array_agg(format_type(a.atttypid, a.atttypmod))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
 WHERE c.oid = to_regclass($1) AND EXISTS (
   SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_roles o ON o.oid = p.proowner
    WHERE t.tgrelid = c.oid AND p.proname = 'gateway_notify'
      AND t.tgargs = convert_to($2, getdatabaseencoding()) || '\x00'::bytea || convert_to($3, getdatabaseencoding()) || '\x00'::bytea
      AND (o.rolsuper OR o.rolname = session_user OR o.rolname = ANY ($4::text[])))
 GROUP BY 1, 2`

// row returns the row as JSON, nil where it is gone.
func (f *fetcher) row(ctx context.Context, channel string, m marked) ([]byte, error) {
	if f.conn == nil || f.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, f.config)
		if err != nil {
			return nil, pgconn.Reason(err)
		}
		f.conn = conn
	}
	var name pgtrigger.Table
	var columns, types []string
	err := pgconn.In(ctx, f.conn, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, keyColumns, m.table, channel, m.field, f.reader.Owners).Scan(&name.Schema, &name.Name, &columns, &types)
	})
	table := name.String()
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("the table %.200s has no primary key, or no trigger of gateway sql for this channel whose function belongs to this role, a superuser, or one of owners", m.table)
	case err != nil:
		return nil, err
	case len(f.tables) > 0 && !f.tables[table]:
		return nil, fmt.Errorf("the table %s is not in the option tables", table)
	}
	var where, args []string
	for i, c := range columns {
		value, err := keyText(m.key[c])
		if err != nil {
			return nil, fmt.Errorf("the key of %s: %s: %w", table, c, err)
		}
		where = append(where, fmt.Sprintf("%s.%s = ($1::text[])[%d]::%s", rowAlias, pgx.Identifier{c}.Sanitize(), i+1, types[i]))
		args = append(args, value)
	}
	reading, err := f.reader.Begin(ctx, table, "",
		fmt.Sprintf("SELECT ARRAY[]::text[], row_to_json(%s.*)::text, false FROM %s %[1]s WHERE %[3]s", rowAlias, table, strings.Join(where, " AND ")))
	if err != nil {
		return nil, err
	}
	rows, err := reading.Query(ctx, args)
	reading.End(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].Data, nil
}

// rowAlias is a name that no column has.
const rowAlias = `"the gateway's row"`

// keyText returns a value of a key as PostgreSQL reads it.
func keyText(value json.RawMessage) (text string, err error) {
	switch {
	case len(value) == 0 || string(value) == "null":
		return "", errors.New("is missing")
	case value[0] == '"':
		err = json.Unmarshal(value, &text)
		return text, err
	}
	return string(value), nil // a number, or what jsonb reads
}

func (f *fetcher) close() {
	f.reader.Close()
	if f.conn != nil {
		pgconn.Close(f.conn)
	}
}
