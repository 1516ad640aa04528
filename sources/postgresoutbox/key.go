package postgresoutbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// tableKey is a table's primary key, and where its columns are in the rows.
type tableKey struct {
	name    string // quoted, with its schema
	oid     uint32
	columns []pgconn.KeyColumn
	finder  *pgconn.KeyFinder // nil if there is no key

	all         []string         // all columns of the table, in order
	keyIndexes  []int            // indexes of the key's columns in all
	stableOrder bool             // no column before those of the key was dropped
	shapes      map[string][]int // indexes of the key by the names of a row's members; nil if not known
}

// id identifies the key by the names and types of its columns.
func (k *tableKey) id() string {
	var names, types []string
	for _, c := range k.columns {
		names, types = append(names, c.Name), append(types, c.Type)
	}
	return fmt.Sprintf("%q %q", names, types)
}

// rowKey is the key of an event.
type rowKey struct {
	text  string
	known bool   // else text is the table only
	row   []byte // the text of the row up to the end of its key, and a character more; may be nil
}

// sameIn reports whether another state of the row has the same text up to the end of the key: then
// the key is the same. Else the key must be looked up.
func (k rowKey) sameIn(row []byte) bool { return k.row != nil && bytes.HasPrefix(row, k.row) }

// key returns the key of a row's event, as [pgconn.RowKey] does. Renamed columns do not change it, because the values
// are the same.
func (r *reader) key(ctx context.Context, table string, data []byte) (rowKey, error) {
	key := rowKey{text: table}
	if data == nil {
		return key, nil
	}
	values, end, err := r.keyValues(ctx, table, data)
	if err != nil || len(values) == 0 {
		return key, err
	}
	key.text = pgconn.RowKey(table, values)
	key.known = true
	if end > 0 && end < len(data) {
		key.row = data[:end+1]
	}
	return key, nil
}

// keyValues returns the texts of the key's values, or none if they are not known. end is where
// the last of them ends in data, 0 if not known.
func (r *reader) keyValues(ctx context.Context, table string, data []byte) (values [][]byte, end int, err error) {
	k, err := r.keyOf(ctx, table)
	if err != nil || k.finder == nil {
		return nil, 0, err
	}
	if values, end = k.finder.Find(data); values != nil {
		return values, end, nil
	}
	values, err = r.renamedKey(ctx, table, data)
	return values, 0, err
}

// renamedKey returns the key's values of a row with columns that were renamed since it was written, or
// since the catalog was read.
func (r *reader) renamedKey(ctx context.Context, table string, data []byte) ([][]byte, error) {
	names, members := columnsOf(data)
	shape := fmt.Sprintf("%q", names)
	k := r.keys[table]
	at, known := k.shapes[shape]
	if !known {
		current, err := r.readKey(ctx, table)
		if err != nil {
			return nil, err
		}
		if current.id() != k.id() || !slices.Equal(current.all, k.all) {
			k = current
			r.keys[table] = current
		}
		at = k.find(names)
		k.shapes[shape] = at
	}
	var values [][]byte
	for _, i := range at {
		values = append(values, members[i])
	}
	return values, nil
}

// find returns the indexes of the key's columns in a row with columns of these names, or nil if they
// are not known. Columns that were added later are at the end.
func (k *tableKey) find(names []string) []int {
	at := make([]int, len(k.columns))
	byName := true
	for i, c := range k.columns {
		at[i] = slices.Index(names, c.Name)
		byName = byName && at[i] >= 0
	}
	if byName {
		return at
	}
	if !k.stableOrder || len(names) > len(k.all) {
		return nil
	}
	for i, name := range names {
		if name != k.all[i] && (slices.Contains(k.all, name) || slices.Contains(names, k.all[i])) {
			return nil // columns were moved, as by dropping one
		}
	}
	for _, i := range k.keyIndexes {
		if i >= len(names) {
			return nil
		}
	}
	return k.keyIndexes
}

// columnsOf returns the names and the values of the members of an object.
func columnsOf(data []byte) (names []string, values [][]byte) {
	in := json.NewDecoder(bytes.NewReader(data))
	if _, err := in.Token(); err != nil {
		return nil, nil
	}
	for in.More() {
		name, err := in.Token()
		text, ok := name.(string)
		var value json.RawMessage
		if err != nil || !ok || in.Decode(&value) != nil {
			return nil, nil
		}
		names, values = append(names, text), append(values, value)
	}
	return names, values
}

// keyOf returns the key of a table from the catalog, not from a row: a row's text must not decide what
// its key is. A table that was renamed is found by the name that its trigger writes.
func (r *reader) keyOf(ctx context.Context, table string) (*tableKey, error) {
	if k := r.keys[table]; k != nil {
		return k, nil
	}
	k, err := r.readKey(ctx, table)
	if err == nil {
		r.keys[table] = k
	}
	return k, err
}

func (r *reader) readKey(ctx context.Context, table string) (*tableKey, error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	k := &tableKey{shapes: map[string][]int{}}
	var numbers []int
	err := r.conn.QueryRow(ctx, `SELECT c.oid, format('%I.%I', n.nspname, c.relname),
		ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
		ARRAY(SELECT a.attnum::int FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND (`+tableNameSQL+` = $1 OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = '!gateway_outbox' AND t.tgparentid = 0 AND `+writtenNameSQL+` = $1))
		ORDER BY `+tableNameSQL+` = $1 DESC LIMIT 1`, table).Scan(&k.oid, &k.name, &k.all, &numbers)
	if err == nil {
		k.columns, err = pgconn.PrimaryKey(ctx, r.conn, k.oid)
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // the table may be gone
		return nil, fmt.Errorf("cannot read the primary key of %s: %w", table, err)
	}
	k.stableOrder = true
	for _, c := range k.columns {
		at := slices.Index(k.all, c.Name)
		k.keyIndexes = append(k.keyIndexes, at)
		k.stableOrder = k.stableOrder && at >= 0 && numbers[at] == at+1
	}
	if len(k.columns) > 0 {
		k.finder = pgconn.NewKeyFinder(k.columns)
	}
	return k, nil
}
