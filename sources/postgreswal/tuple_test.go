package postgreswal

import (
	"encoding/binary"
	"reflect"
	"testing"
)

// tupleMessage returns a message of pgoutput. A part is a text of a column, nil for NULL, or a kind of a column or tuple.
func tupleMessage(op byte, parts ...any) []byte {
	b := binary.BigEndian.AppendUint32([]byte{op}, 7)
	for _, part := range parts {
		switch part := part.(type) {
		case byte:
			b = append(b, part)
		case int:
			b = binary.BigEndian.AppendUint16(b, uint16(part))
		case string:
			b = append(b, textColumn)
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
		}
	}
	return b
}

func TestReadRowChange(t *testing.T) {
	text := func(s string) column { return column{textColumn, []byte(s)} }
	null, unchanged := column{kind: nullColumn}, column{kind: unchangedColumn}
	for name, c := range map[string]struct {
		data []byte
		want rowChange
	}{
		"insert":            {tupleMessage('I', byte('N'), 2, "1", byte('n')), rowChange{op: 'I', new: []column{text("1"), null}}},
		"update":            {tupleMessage('U', byte('N'), 2, "", byte('u')), rowChange{op: 'U', new: []column{text(""), unchanged}}},
		"update of the key": {tupleMessage('U', byte('K'), 1, "1", byte('N'), 1, "2"), rowChange{op: 'U', oldKind: 'K', old: []column{text("1")}, new: []column{text("2")}}},
		"full update":       {tupleMessage('U', byte('O'), 1, "1", byte('N'), 1, "2"), rowChange{op: 'U', oldKind: 'O', old: []column{text("1")}, new: []column{text("2")}}},
		"delete":            {tupleMessage('D', byte('O'), 1, "1"), rowChange{op: 'D', oldKind: 'O', old: []column{text("1")}}},
	} {
		c.want.relation = 7
		var got rowChange
		if err := readRowChange(c.data, &got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got.old = orNil(got.old); len(got.new) == 0 {
			got.new = nil
		}
		for i := range got.new {
			if got.new[i].kind == textColumn && got.new[i].text == nil {
				got.new[i].text = []byte{}
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		for n := range c.data { // a message that is cut is an error, and never a row
			if err := readRowChange(c.data[:n], &rowChange{}); err == nil {
				t.Errorf("%s: the first %d of %d bytes are a change", name, n, len(c.data))
			}
		}
	}
}

func orNil(c []column) []column {
	if len(c) == 0 {
		return nil
	}
	return c
}

// FuzzMessage proves that no message of a server makes a parser panic.
func FuzzMessage(f *testing.F) {
	f.Add(tupleMessage('U', byte('K'), 1, "1", byte('N'), 1, "2"))
	f.Add([]byte("R\x00\x00\x00\x07public\x00orders\x00d\x00\x01\x01id\x00\x00\x00\x00\x17\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		_ = readRowChange(data, &rowChange{})
		if rel, err := readRelation(data); err == nil && rel.table == "" {
			t.Error("a relation without a name")
		}
	})
}
