package pgverify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"

	"eventgateway/gateway/rawjson"
)

// rowHash identifies the text of a row: the first half of its SHA-256, because users choose the values of rows.
type rowHash [16]byte

// hasher makes hashes of rows. Its methods are not safe for concurrent use.
type hasher struct{ scratch []byte }

// hash returns the hash of a row's JSON text without white space between its tokens, and without the columns of partial.
func (h *hasher) hash(row []byte, partial columnSet) rowHash {
	h.scratch = h.scratch[:0]
	if partial == "" {
		h.scratch = appendCompact(h.scratch, row)
	} else {
		for _, m := range members(row) {
			if !partial.has(m.name) {
				h.scratch = append(rawjson.AppendText(h.scratch, m.name), ':')
				h.scratch = append(appendCompact(h.scratch, m.value), ',')
			}
		}
	}
	sum := sha256.Sum256(h.scratch)
	return rowHash(sum[:len(rowHash{})])
}

// appendCompact appends JSON without white space between its tokens: a sink that writes payloads as lines leaves it out, too.
func appendCompact(dst, text []byte) []byte {
	begin := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case ' ', '\t', '\n', '\r':
			dst = append(dst, text[begin:i]...)
			begin = i + 1
		}
	}
	return append(dst, text[begin:]...)
}

// columnSet holds the names of columns, with commas between them and at both ends; "" is no column.
type columnSet string

// newColumnSet returns the set of all names in texts, which have commas between them.
func newColumnSet(texts ...string) columnSet {
	set := ""
	for _, text := range texts {
		if text != "" {
			set += "," + text
		}
	}
	if set == "" {
		return ""
	}
	return columnSet(set + ",")
}

// has reports whether the set has a column. A name with a comma may be taken for two: then these are in the set, too.
func (c columnSet) has(name string) bool { return strings.Contains(string(c), ","+name+",") }

// member is a column of a row.
type member struct {
	name  string
	value json.RawMessage
}

// members returns the columns of a row in their order, nil if the text is not a JSON object.
func members(row []byte) (all []member) {
	in := json.NewDecoder(bytes.NewReader(row))
	if start, err := in.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	for in.More() {
		name, err := in.Token()
		m := member{}
		var ok bool
		if m.name, ok = name.(string); err != nil || !ok || in.Decode(&m.value) != nil {
			return nil
		}
		all = append(all, m)
	}
	return all
}

// columnDifference is a column whose values differ. A value is nil where the row does not have the column.
type columnDifference struct {
	name            string
	table, received json.RawMessage
}

// differences returns the columns in which a row of the table and a received one differ, without those of partial.
func differences(table, received []byte, partial columnSet) (all []columnDifference) {
	was := members(received)
	for _, m := range members(table) {
		d := columnDifference{name: m.name, table: m.value}
		for i := range was {
			if was[i].name == m.name {
				d.received = was[i].value
				was[i].name = seenName
				break
			}
		}
		if !partial.has(m.name) && (d.received == nil || !bytes.Equal(appendCompact(nil, d.table), appendCompact(nil, d.received))) {
			all = append(all, d)
		}
	}
	for _, m := range was {
		if m.name != seenName && !partial.has(m.name) {
			all = append(all, columnDifference{name: m.name, received: m.value})
		}
	}
	return all
}

// seenName is no name of a column: PostgreSQL allows no zero byte.
const seenName = "\x00"
