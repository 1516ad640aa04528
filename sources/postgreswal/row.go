package postgreswal

import (
	"context"
	"fmt"
	"strings"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/rawjson"
)

// rowText is the text of a row as JSON, byte for byte as row_to_json writes it. It is scratch: the next row overwrites it.
type rowText struct {
	data    []byte
	spans   []span   // of the values of the columns; from is 0 if the row lacks the column
	values  [][]byte // scratch
	missing []int    // columns whose value the server has not sent
}

type span struct{ from, to int }

// valueError is the error of a value that cannot be written as JSON.
type valueError struct {
	column, table string
	err           error
}

func (v *valueError) Error() string {
	return fmt.Sprintf("cannot write the column %s of %s as JSON, so that its events have it as text: %v", v.column, v.table, v.err)
}
func (v *valueError) Unwrap() error { return v.err }

// set writes the row. If the server has not sent a column, set uses its value in before, the row before the change, or in
// substitutes, which has values as JSON by the number of the column. If both lack it, the row lacks it, too.
func (t *rowText) set(ctx context.Context, r *reader, rel *relation, columns, before []column, substitutes map[int][]byte) error {
	if len(columns) != len(rel.columns) {
		return fmt.Errorf("the server sent %d columns of %s, which has %d", len(columns), rel.table, len(rel.columns))
	}
	t.data, t.spans, t.missing = append(t.data[:0], '{'), t.spans[:0], t.missing[:0]
	for i := range columns {
		c := columns[i]
		if c.kind == unchangedColumn && i < len(before) && before[i].kind == textColumn { // not null: only a large value is left out
			c = before[i]
		}
		if c.kind == unchangedColumn && substitutes[i] == nil {
			t.spans, t.missing = append(t.spans, span{}), append(t.missing, i)
			continue
		}
		if len(t.data) > 1 {
			t.data = append(t.data, ',')
		}
		t.data = append(t.data, rel.columns[i].label...)
		from := len(t.data)
		switch c.kind {
		case nullColumn:
			t.data = append(t.data, "null"...)
		case unchangedColumn:
			t.data = append(t.data, substitutes[i]...)
		default:
			data, err := r.types.Append(t.data, rel.columns[i].oid, c.text)
			switch {
			case err == nil:
				t.data = data
			case r.asText:
				t.data = rawjson.AppendText(t.data[:from], strings.ToValidUTF8(string(c.text), "\ufffd"))
			default:
				return &valueError{rel.columns[i].name, rel.table, err}
			}
		}
		if r.needsTranslation(t.data[from:]) {
			translated, err := r.translate(ctx, t.data[from:])
			if err != nil {
				return err
			}
			t.data = append(t.data[:from], translated...)
		}
		t.spans = append(t.spans, span{from, len(t.data)})
	}
	t.data = append(t.data, '}')
	return nil
}

// key returns the key of the row's events, or false if the row lacks a column of its primary key, or the table has none.
func (t *rowText) key(rel *relation) (string, bool) {
	if len(rel.key) == 0 {
		return rel.table, false
	}
	t.values = t.values[:0]
	for _, i := range rel.key {
		s := t.spans[i]
		if s.from == 0 {
			return rel.table, false
		}
		t.values = append(t.values, t.data[s.from:s.to])
	}
	return pgconn.RowKey(rel.table, t.values), true
}
