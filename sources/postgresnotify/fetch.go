package postgresnotify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// marker is the field by which the trigger of trigger.sql says that a row was too
// large to be notified; it names the table.
const marker = "_gateway_fetch"

// fetchTimeout bounds one fetch: later notifications wait for it.
const fetchTimeout = 5 * time.Second

// fetcher fetches rows that were too large for a notification. It has a session
// of its own: a query that hangs must not cost the listening one.
type fetcher struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
}

func isMarked(payload []byte) bool { return bytes.Contains(payload, []byte(`"`+marker+`"`)) }

// marked is what the trigger sent.
type marked struct {
	operation string
	field     string // that holds the key
	key       json.RawMessage
	table     string
}

// parseMarked reads the three fields of a marked payload.
func parseMarked(payload []byte) (marked, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil {
		return marked{}, err
	}
	var m marked
	for name, value := range fields {
		switch name {
		case "operation":
			_ = json.Unmarshal(value, &m.operation) // checked below
		case marker:
			_ = json.Unmarshal(value, &m.table)
		default:
			m.field, m.key = name, value
		}
	}
	if len(fields) != 3 || m.operation == "" || m.table == "" || !bytes.HasPrefix(m.key, []byte("{")) {
		return marked{}, errors.New("it is none of ours")
	}
	return m, nil
}

// complete returns the payload as it would have been, had the row been small:
// with the row as it is now. A row that is gone is left as its key.
func (f *fetcher) complete(ctx context.Context, payload []byte) ([]byte, error) {
	m, err := parseMarked(payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	row := []byte(m.key)
	if m.operation != "DELETE" {
		found, err := f.row(ctx, m)
		if err != nil {
			return nil, err
		}
		if found != nil {
			row = found
		}
	}
	operation, _ := json.Marshal(m.operation) // strings always encode
	field, _ := json.Marshal(m.field)
	return fmt.Appendf(nil, `{"operation" : %s, %s : %s}`, operation, field, row), nil
}

// keyColumns lists the primary key of a table, but only of one that has our
// trigger: everybody may notify, and must not get other tables read.
const keyColumns = `SELECT i.indrelid::regclass::text, array_agg(a.attname::text)
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
 WHERE i.indrelid = to_regclass($1) AND i.indisprimary
   AND EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = i.indrelid AND p.proname = 'gateway_notify')
 GROUP BY 1`

// row returns the row as JSON, nil where it is gone.
func (f *fetcher) row(ctx context.Context, m marked) ([]byte, error) {
	if f.conn == nil || f.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, f.config)
		if err != nil {
			return nil, err
		}
		f.conn = conn
	}
	var table string
	var columns []string
	if err := f.conn.QueryRow(ctx, keyColumns, m.table).Scan(&table, &columns); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("the table %s has no primary key or not the trigger of `gateway sql`", m.table)
		}
		return nil, err
	}
	var same []string
	for _, c := range columns {
		name := pgx.Identifier{c}.Sanitize()
		same = append(same, "t."+name+" = k."+name)
	}
	query := fmt.Sprintf("SELECT row_to_json(t)::text FROM %[1]s t, json_populate_record(NULL::%[1]s, $1::json) k WHERE %[2]s", table, strings.Join(same, " AND "))
	var row string
	if err := f.conn.QueryRow(ctx, query, string(m.key)).Scan(&row); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		}
		return nil, err
	}
	return []byte(row), nil
}

func (f *fetcher) close() {
	if f.conn != nil {
		pgconn.Close(f.conn)
	}
}
