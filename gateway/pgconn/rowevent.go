package pgconn

import (
	"fmt"
	"strings"

	"eventgateway/gateway/rawjson"
)

// The events of a row have the same payload and the same key, whichever component has read it.

// OrderPayload returns the payload {"operation" : ..., "order" : row}, byte for byte as the old trigger writes it. row is
// the JSON text of the row; nil is null.
func OrderPayload(operation string, row []byte) []byte {
	if row == nil {
		row = []byte("null")
	}
	b := append(make([]byte, 0, len(row)+len(operation)+32), `{"operation" : "`...)
	b = append(append(b, operation...), `", "order" : `...)
	return append(append(b, row...), '}')
}

// ReadPayload returns the payload of a row that was read from its table, and was not captured as a change. output is
// order or change. table is the name in events, and snapshot is how the row was read: row or overlap.
func ReadPayload(output, table, snapshot string, row []byte) []byte {
	if output == "order" {
		return OrderPayload("READ", row)
	}
	b := append(make([]byte, 0, len(row)+len(table)+80), `{"operation":"READ","table":`...)
	b = rawjson.AppendText(b, table)
	return fmt.Appendf(b, `,"snapshot":"%s","old":null,"new":%s}`, snapshot, row)
}

// escapeKey escapes a comma in a value of a key, which would look like a separator, and the backslash.
var escapeKey = strings.NewReplacer(`\`, `\\`, ",", `\,`)

// RowKey returns the key of the events of a row, such as shop.orders:7. With several columns it is such as
// shop.items:7,a\,b, with a backslash before a comma or a backslash of a value. values are the JSON texts of the columns of the
// primary key, in their order.
func RowKey(table string, values [][]byte) string {
	size := len(table)
	for _, value := range values {
		size += 1 + len(value)
	}
	var key strings.Builder
	key.Grow(size)
	key.WriteString(table)
	for i, value := range values {
		separator := byte(',')
		if i == 0 {
			separator = ':'
		}
		text := string(value)
		if value[0] == '"' {
			text = rawjson.Text(value)
		}
		if len(values) > 1 { // a,b and c is another key than a and b,c
			text = escapeKey.Replace(text)
		}
		key.WriteByte(separator)
		key.WriteString(text)
	}
	return key.String()
}

// A KeyFinder finds the values of a primary key in the JSON text of rows. Its methods are not safe for concurrent
// use.
type KeyFinder struct {
	tree    rawjson.Tree
	members []int
	spans   []rawjson.Span
	values  [][]byte // scratch
}

// NewKeyFinder returns a finder for a key of at least one column.
func NewKeyFinder(key []KeyColumn) *KeyFinder {
	f := &KeyFinder{}
	for _, c := range key {
		f.members = append(f.members, f.tree.Member(0, c.Name))
	}
	f.spans = make([]rawjson.Span, f.tree.Len())
	return f
}

// Find returns the JSON texts of the key's values, in the order of its columns. They are valid until the next call.
// end is where the last of them ends in row. Find returns nil if the row lacks a column, or is no JSON object.
func (f *KeyFinder) Find(row []byte) (values [][]byte, end int) {
	if f.tree.Find(row, f.spans) != nil {
		return nil, 0
	}
	f.values = f.values[:0]
	for _, place := range f.members {
		value := f.spans[place].Of(row)
		if len(value) == 0 {
			return nil, 0
		}
		f.values, end = append(f.values, value), max(end, f.spans[place].To)
	}
	return f.values, end
}
