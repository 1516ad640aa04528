package pgverify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// totals are the result of a comparison.
type totals struct {
	Table     string `json:"table"`
	Rows      int    `json:"rows"` // of the table that were compared
	Equal     int    `json:"equal"`
	Missing   int    `json:"missing"`
	Extra     int    `json:"extra"`
	Different int    `json:"different"`
	Partial   int    `json:"partial"` // rows that were compared without some columns
	Received  int    `json:"received"`
	counts
	Notes []string `json:"notes,omitempty"`
}

func (t totals) differences() int { return t.Missing + t.Extra + t.Different }

// totals counts the keys by their state.
func (v *verification) totals() totals {
	t := totals{Table: v.changes.name, counts: v.counts}
	for n := range v.keys.count {
		k := v.keys.at(n)
		count := func(f keyFlags, to *int) {
			if k.has(f) {
				*to++
			}
		}
		count(present, &t.Received)
		count(compared, &t.Rows)
		count(missing, &t.Missing)
		count(extra, &t.Extra)
		count(different, &t.Different)
		if k.has(compared) && (k.has(keyOnly) || k.partial != 0) {
			t.Partial++
		}
	}
	t.Equal = t.Rows - t.Missing - t.Different
	if v.counts.Unknown > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d events have no key that can be told, the first is %s", v.counts.Unknown, v.counts.firstUnknown))
	}
	if v.counts.Others > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d events are of other tables: %s", v.counts.Others, strings.Join(v.counts.otherTables, ", ")))
	}
	for _, in := range v.inputs {
		if note := in.note(); note != "" {
			t.Notes = append(t.Notes, note)
		}
	}
	return t
}

// difference is a key that differs, as it is printed.
type difference struct {
	Difference string   `json:"difference"`
	Key        string   `json:"key"`
	Columns    []string `json:"columns,omitempty"`

	Table    json.RawMessage `json:"in_table,omitempty"` // values of the columns
	Received json.RawMessage `json:"received,omitempty"`

	columns []columnDifference
}

// list returns the first keys that differ.
func (v *verification) list(ctx context.Context, values bool) ([]difference, error) {
	received, err := v.receivedRows(ctx)
	if err != nil {
		return nil, err
	}
	var all []difference
	add := func(kind keyFlags, n int) *difference {
		all = append(all, difference{Difference: kindNames[kind], Key: v.changes.name + ":" + string(v.keys.text(n))})
		return &all[len(all)-1]
	}
	for _, kind := range []keyFlags{missing, extra} {
		for n := 0; n < v.keys.count && len(all) < v.limit; n++ {
			if v.keys.at(n).has(kind) {
				add(kind, n)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(v.rows)) {
		if len(all) == v.limit {
			break
		}
		d := add(different, n)
		if received[n] == nil {
			continue
		}
		d.columns = differences(v.rows[n], received[n], v.partial[v.keys.at(n).partial])
		for _, c := range d.columns {
			d.Columns = append(d.Columns, c.name)
		}
		if values {
			d.Table, d.Received = columnValues(d.columns)
		}
	}
	return all, nil
}

var kindNames = map[keyFlags]string{missing: "missing", extra: "extra", different: "different"}

// receivedRows returns the rows that were received last of the keys in v.rows. Rows of an input that cannot be read twice are not
// in it.
func (v *verification) receivedRows(ctx context.Context) (map[int][]byte, error) {
	rows := map[int][]byte{}
	if len(v.rows) == 0 {
		return rows, nil
	}
	for _, in := range v.inputs {
		if _, err := in.rescan(ctx, func(one item) error {
			c, err := v.change(one)
			if err != nil || c.row == nil { // counted by receive
				return nil
			}
			n := v.keys.find(c.key)
			if n >= 0 && v.rows[n] != nil && v.hasher.hash(c.row, c.partial) == v.keys.at(n).hash {
				rows[n] = append([]byte(nil), c.row...)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// columnValues returns the values of columns in the table, and as they were received.
func columnValues(columns []columnDifference) (table, received json.RawMessage) {
	values := func(of func(columnDifference) json.RawMessage) json.RawMessage {
		object := map[string]json.RawMessage{}
		for _, c := range columns {
			if value := of(c); value != nil {
				object[c.name] = value
			}
		}
		text, _ := json.Marshal(object) // the values are JSON
		return text
	}
	return values(func(c columnDifference) json.RawMessage { return c.table }), values(func(c columnDifference) json.RawMessage { return c.received })
}

// printText prints the result for people.
func printText(w io.Writer, t totals, list []difference, values bool) error {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%-9s %s", d.Difference, printable(d.Key))
		for i, c := range d.columns {
			switch {
			case i == 0:
				b.WriteString(": ")
			default:
				b.WriteString(", ")
			}
			b.WriteString(printable(c.name))
			if values {
				fmt.Fprintf(&b, " is %s, received %s", valueText(c.table), valueText(c.received))
			}
		}
		b.WriteByte('\n')
	}
	if left := t.differences() - len(list); left > 0 {
		fmt.Fprintf(&b, "and %d more\n", left)
	}
	fmt.Fprintf(&b, "%s: %d rows compared, %d equal, %d missing, %d different, %d extra\n", printable(t.Table), t.Rows, t.Equal, t.Missing, t.Different, t.Extra)
	fmt.Fprintf(&b, "received: %d events, %d of them repeats, with the last state of %d rows\n", t.Events, t.Repeats, t.Received)
	if t.Partial > 0 {
		fmt.Fprintf(&b, "note: %d rows were compared without the columns that their last event does not have as they were written\n", t.Partial)
	}
	for _, note := range t.Notes {
		fmt.Fprintf(&b, "note: %s\n", printable(note))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printJSON prints one line of JSON for each difference, and one with the totals.
func printJSON(w io.Writer, t totals, list []difference) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	var err error
	for _, d := range list {
		err = errors.Join(err, out.Encode(d))
	}
	return errors.Join(err, out.Encode(t))
}

func valueText(value json.RawMessage) string {
	if value == nil {
		return "absent"
	}
	return printable(string(value))
}

// printable quotes text with characters that a terminal could interpret.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
