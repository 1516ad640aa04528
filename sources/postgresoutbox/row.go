package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/rawjson"
)

var operations = map[string]string{"I": "INSERT", "U": "UPDATE", "D": "DELETE", "T": "TRUNCATE"}

// tableKey is a table's primary key, and where its columns stand in the rows.
type tableKey struct {
	name    string // quoted, with its schema
	oid     uint32
	columns []pgconn.KeyColumn
	tree    rawjson.Tree
	places  []int
	spans   []rawjson.Span
}

// id is another one for another key.
func (k *tableKey) id() string {
	var names, types []string
	for _, c := range k.columns {
		names, types = append(names, c.Name), append(types, c.Type)
	}
	return fmt.Sprintf("%q %q", names, types)
}

// event makes an event of a row. Its ID holds the time beside the id: after a crash of
// the server an id may be drawn again for another change.
func (r *reader) event(ctx context.Context, one row) (*event.Event, error) {
	data := one.new
	if data == nil {
		data = one.old
	}
	key, err := r.key(ctx, one.table, data)
	if err != nil {
		return nil, err
	}
	operation := operations[one.op]
	return &event.Event{
		ID: strconv.FormatInt(one.id, 10) + "-" + strconv.FormatInt(one.at.UnixMicro(), 36), Source: r.s.name, Channel: one.table,
		Key: key, Time: time.Now(), Data: r.payload(one, operation, data),
		Attrs: []event.Attr{{Name: "table", Value: one.table}, {Name: "operation", Value: operation}},
	}, nil
}

func (r *reader) payload(one row, operation string, data []byte) []byte {
	if r.s.opts.Output == "order" {
		return orderPayload(operation, data)
	}
	b := fmt.Appendf(make([]byte, 0, len(one.old)+len(one.new)+150), `{"operation":"%s","table":`, operation)
	b = rawjson.AppendText(b, one.table)
	return fmt.Appendf(b, `,"id":%d,"at":"%s","old":%s,"new":%s}`, one.id, one.at.UTC().Format(time.RFC3339Nano), orNull(one.old), orNull(one.new))
}

// orderPayload writes an order as the old trigger does, to the last blank.
func orderPayload(operation string, data []byte) []byte {
	return fmt.Appendf(make([]byte, 0, len(data)+50), `{"operation" : "%s", "order" : %s}`, operation, orNull(data))
}

func orNull(b []byte) []byte {
	if b == nil {
		return []byte("null")
	}
	return b
}

// escapeKey escapes a comma in a value of a key, which would look like that between two values.
var escapeKey = strings.NewReplacer(`\`, `\\`, ",", `\,`)

// key returns the table and the values of the primary key, as text: shop.orders:7, and of a
// key of several columns shop.items:7,a\\,b, with a backslash before a comma of a value.
func (r *reader) key(ctx context.Context, table string, data []byte) (string, error) {
	k, err := r.keyOf(ctx, table)
	if err != nil {
		return "", err
	}
	key := table
	if data == nil || k.tree.Find(data, k.spans) != nil {
		return key, nil
	}
	for i, place := range k.places {
		separator := ","
		if i == 0 {
			separator = ":"
		}
		value := k.spans[place].Of(data)
		if len(value) == 0 { // the column has another name now
			return table, nil
		}
		text := string(value)
		if value[0] == '"' {
			text = rawjson.Text(value)
		}
		if len(k.places) > 1 { // a,b and c is another key than a and b,c
			text = escapeKey.Replace(text)
		}
		key += separator + text
	}
	return key, nil
}

// keyOf takes the key's columns from the catalog: the row's own text has no say in
// what tells it apart.
func (r *reader) keyOf(ctx context.Context, table string) (*tableKey, error) {
	if k := r.keys[table]; k != nil {
		return k, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	k := &tableKey{}
	err := r.conn.QueryRow(ctx, `SELECT c.oid, format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = $1`, table).Scan(&k.oid, &k.name)
	if err == nil {
		k.columns, err = pgconn.PrimaryKey(ctx, r.conn, k.oid)
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // the table may be gone
		return nil, fmt.Errorf("cannot see the primary key of %s: %w", table, err)
	}
	for _, c := range k.columns {
		k.places = append(k.places, k.tree.Member(0, c.Name))
	}
	k.spans = make([]rawjson.Span, k.tree.Len())
	r.keys[table] = k
	return k, nil
}
