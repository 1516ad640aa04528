package pgverify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgconn"
)

// testKey is a key of two columns.
var testKey = []pgconn.KeyColumn{{Name: "id"}, {Name: "part"}}

// receivedLines returns the comparison after the events of lines.
func receivedLines(t testing.TB, key []pgconn.KeyColumn, lines ...string) *comparison {
	t.Helper()
	c := newComparison(newChangeReader("public.orders", "order", key))
	for n, line := range lines {
		if err := c.receive(item{line: []byte(line), location: func() string { return fmt.Sprint("line ", n+1) }}); err != nil {
			t.Fatalf("line %d: %v", n+1, err)
		}
	}
	return c
}

// envelope returns an event as the sink file writes it.
func envelope(id, payload string, attrs ...string) string {
	e := &event.Event{ID: id, Data: []byte(payload)}
	for i := 0; i < len(attrs); i += 2 {
		e.Attrs = append(e.Attrs, event.Attr{Name: attrs[i], Value: attrs[i+1]})
	}
	return strings.TrimSpace(string(event.AppendLine(nil, e)))
}

// order returns a payload of output: order.
func order(operation, row string) string { return string(pgconn.OrderPayload(operation, []byte(row))) }

// changeLine returns a payload of output: change of an outbox.
func changeLine(id int, operation, old, row string) string {
	return fmt.Sprintf(`{"operation":"%s","table":"public.orders","id":%d,"at":"2024-01-02T03:04:05.%06dZ","old":%s,"new":%s}`, operation, id, id, old, row)
}

// outboxID returns the ID of a change by its number.
func outboxID(n int) string { return fmt.Sprintf("%d-hxkqdp%04d", n, n) }

// states returns the rows of a comparison, as key=row where row is the one of candidates with the hash.
func states(c *comparison, candidates ...string) string {
	var all []string
	for n := range c.keys.count {
		k := c.keys.at(n)
		if !k.has(present) {
			continue
		}
		row := "?"
		for _, candidate := range candidates {
			if c.hasher.hash([]byte(candidate), c.partial[k.partial]) == k.hash {
				row = candidate
				break
			}
		}
		all = append(all, string(c.keys.text(n))+"="+row)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestLastEventOfAKeyCounts proves the state after events in any order that sources, retries and takeovers may bring.
func TestLastEventOfAKeyCounts(t *testing.T) {
	const a, b, other = `{"id":1,"v":"a"}`, `{"id":1,"v":"b"}`, `{"id":2,"v":"a"}`
	key := testKey[:1]
	truncate := `{"operation" : "TRUNCATE", "order" : null}`
	read := "snapshot-812-00112233445566778899aabbccddeeff"
	for name, test := range map[string]struct {
		lines   []string
		want    string
		repeats int
	}{
		"payloads":                         {[]string{order("INSERT", a), order("UPDATE", b)}, "1=" + b, 0},
		"with further fields":              {[]string{`{"operation":"INSERT","order":` + a + `,"_published_at":"now","_pub_id":7}`}, "1=" + a, 0},
		"deleted":                          {[]string{order("INSERT", a), order("DELETE", a)}, "", 0},
		"deleted and inserted":             {[]string{order("DELETE", a), order("INSERT", b)}, "1=" + b, 0},
		"truncated":                        {[]string{order("INSERT", a), truncate, order("INSERT", other)}, "2=" + other, 0},
		"of another table":                 {[]string{envelope("", order("INSERT", a), "table", "public.other"), order("INSERT", other)}, "2=" + other, 0},
		"read":                             {[]string{order("INSERT", a), order("READ", b)}, "1=" + b, 0},
		"changes":                          {[]string{changeLine(1, "INSERT", "null", a), changeLine(2, "UPDATE", a, b), changeLine(3, "DELETE", b, "null"), changeLine(4, "INSERT", "null", other)}, "2=" + other, 0},
		"the key changes":                  {[]string{changeLine(1, "INSERT", "null", a), changeLine(2, "UPDATE", a, other)}, "2=" + other, 0},
		"the key changes in an attribute":  {[]string{order("INSERT", a), envelope("", order("UPDATE", other), "table", "public.orders", "key_before", "public.orders:1")}, "2=" + other, 0},
		"the key changes without any sign": {[]string{order("INSERT", a), order("UPDATE", other)}, "1=" + a + " 2=" + other, 0},
		"fields that look like a change":   {[]string{`{"operation":"INSERT","table":"public.other","id":7,"at":"","old":null,"new":` + other + `,"order":` + a + `}`}, "1=" + a, 0},
		"the empty key changes":            {[]string{order("INSERT", `{"id":""}`), envelope("", order("UPDATE", a), "table", "public.orders", "key_before", "public.orders:")}, "1=" + a, 0},
		"repeated":                         {[]string{changeLine(1, "INSERT", "null", a), changeLine(2, "UPDATE", a, b), changeLine(2, "UPDATE", a, b)}, "1=" + b, 1},
		"an older one repeated":            {[]string{envelope(outboxID(1), order("INSERT", a)), envelope(outboxID(2), order("UPDATE", b)), envelope(outboxID(1), order("INSERT", a))}, "1=" + b, 1},
		"an older payload repeated":        {[]string{changeLine(1, "INSERT", "null", a), changeLine(2, "UPDATE", a, b), changeLine(1, "INSERT", "null", a)}, "1=" + b, 1},
		"inserted again after a delete":    {[]string{envelope(outboxID(1), order("INSERT", a)), envelope(outboxID(2), order("DELETE", a)), envelope(outboxID(1), order("INSERT", a))}, "", 1},
		"before a truncate":                {[]string{envelope(outboxID(5), truncate), envelope(outboxID(3), order("INSERT", a)), envelope(outboxID(6), order("INSERT", other))}, "2=" + other, 1},
		"a truncate repeated":              {[]string{envelope(outboxID(5), truncate), envelope(outboxID(6), order("INSERT", a)), envelope(read, order("READ", other)), envelope(outboxID(5), truncate)}, "1=" + a + " 2=" + other, 1},
		"a truncate late":                  {[]string{envelope(outboxID(6), order("INSERT", a)), envelope(outboxID(2), order("INSERT", other)), envelope(outboxID(5), truncate)}, "1=" + a, 0},
		"a row of a snapshot repeated":     {[]string{envelope(read, order("READ", a)), envelope(outboxID(1), order("UPDATE", b)), envelope(read, order("READ", a))}, "1=" + b, 1},
		"a row of a snapshot read again":   {[]string{envelope(read, order("READ", a)), envelope(read, order("READ", b))}, "1=" + b, 0},
		"an older one after a snapshot":    {[]string{envelope(outboxID(2), order("UPDATE", a)), envelope(read, order("READ", b)), envelope(outboxID(1), order("INSERT", a))}, "1=" + b, 1},
		"another outbox":                   {[]string{envelope("9-hxkqdp0001", order("INSERT", a)), envelope("3-hxkqdp0002", order("UPDATE", b))}, "1=" + b, 0},
		"from the outbox to the log":       {[]string{envelope("9-hxkqdp0001", order("INSERT", a)), envelope("1f0-2-hxkqdp0005", order("UPDATE", b)), envelope("9-hxkqdp0001", order("INSERT", a))}, "1=" + b, 1},
		"of the log":                       {[]string{`{"operation":"INSERT","table":"public.orders","id":"1f0-2-hxkqdp0005","at":"","old":null,"new":` + b + `}`, `{"operation":"INSERT","table":"public.orders","id":"1f0-1-hxkqdp0005","at":"","old":null,"new":` + a + `}`}, "1=" + b, 1},
		"split":                            {[]string{envelope(outboxID(2)+"/0", order("INSERT", b)), envelope(outboxID(1)+"/0", order("INSERT", a))}, "1=" + b, 1},
	} {
		c := receivedLines(t, key, test.lines...)
		if got := states(c, a, b, other); got != test.want || c.counts.Repeats != test.repeats || c.counts.Unknown != 0 {
			t.Errorf("%s: %s, want %s, with %+v", name, got, test.want, c.counts)
		}
	}
}

// TestEventsWithoutAKey proves that an event whose key or operation is not known is counted and named.
func TestEventsWithoutAKey(t *testing.T) {
	for line, want := range map[string]string{
		order("INSERT", `{"v":"a"}`):            errNoKey.Error(),
		order("INSERT", `null`):                 errNoKey.Error(),
		order("INSERT", `{"id":null}`):          errNoKey.Error(),
		`{"operation":"UNKNOWN","raw":"..."}`:   `the operation "UNKNOWN" is not known`,
		`{"operation":null}`:                    `the operation "null" is not known`,
		`{"operation":"INSERT","order":{"id":1`: "JSON",
		`[1]`:                                   "is not an event",
		`"text"`:                                "is not an event",
		`{"id":"7"}`:                            "data is missing",
		envelope("", "text"):                    "JSON",
		envelope("", order("UPDATE", `{"id":1}`), "table", "public.orders", "key_before", "public.other:1"): "key_before is no key of the table",
	} {
		c := receivedLines(t, testKey[:1], order("INSERT", `{"id":1}`), line)
		if c.counts.Unknown != 1 || !strings.HasPrefix(c.counts.firstUnknown, "line 2: ") || !strings.Contains(c.counts.firstUnknown, want) || c.counts.Events != 1 {
			t.Errorf("%s: %+v, want %s", line, c.counts, want)
		}
	}
	c := newComparison(newChangeReader("public.orders", "order", testKey[:1]))
	if err := c.receive(item{line: []byte(order("INSERT", `{"id":[1]}`))}); err == nil {
		t.Error("a key that is an array is accepted")
	}
}

// TestKeysWithCommas proves that keys of several columns are kept apart, and that their values can be read back.
func TestKeysWithCommas(t *testing.T) {
	rows := []string{`{"id":"a,b","part":"c"}`, `{"id":"a","part":"b,c"}`, `{"id":"a\\","part":",b"}`, `{"id":"a\\,","part":"b"}`, `{"id":"","part":""}`, `{"id":"{\"operation\":1}\n","part":7}`}
	var lines []string
	for _, row := range rows {
		lines = append(lines, order("INSERT", row))
	}
	c := receivedLines(t, testKey, lines...)
	if c.keys.count != len(rows) {
		t.Fatalf("%d keys of %d rows", c.keys.count, len(rows))
	}
	keys := &table{query: pgconn.KeyQuery{Key: testKey}}
	var got []string
	for n := range c.keys.count {
		got = append(got, fmt.Sprintf("%q", keys.keyValues(string(c.keys.text(n)))))
	}
	if want := []string{`["a,b" "c"]`, `["a" "b,c"]`, `["a\\" ",b"]`, `["a\\," "b"]`, `["" ""]`, `["{\"operation\":1}\n" "7"]`}; !slices.Equal(got, want) {
		t.Errorf("got %s", got)
	}
}

// TestColumnsLeftOut proves that columns which an event does not have as they were written are not compared.
func TestColumnsLeftOut(t *testing.T) {
	const row, other = `{"id":1,"text":"long","n":2}`, `{"id":1,"text":"long","n":3}`
	for name, line := range map[string]string{
		"incomplete": envelope("", order("UPDATE", `{"id":1,"n":2}`), "table", "public.orders", "incomplete", "text"),
		"read back":  envelope("", order("UPDATE", `{"id":1,"text":"later","n":2}`), "table", "public.orders", "read_back", "text"),
	} {
		c := receivedLines(t, testKey[:1], line)
		if c.compare([]byte("1"), []byte(row)); c.open != 0 {
			t.Errorf("%s: the row is different", name)
		}
		if c.compare([]byte("1"), []byte(other)); c.open != 1 {
			t.Errorf("%s: another row is equal", name)
		}
	}
	c := receivedLines(t, testKey[:1], `{"operation":"UPDATE","order":{"id":1},"_gateway_fetch":"orders"}`)
	if c.compare([]byte("1"), []byte(row)); c.open != 0 {
		t.Error("a row that could not be fetched is different")
	}
	if c.compare([]byte("1"), nil); c.open != 1 {
		t.Error("its row is not missed")
	}
}

// TestDifferencesResolve proves that a difference ends with the event that brings the state of the table, even if a later event
// follows before the next comparison.
func TestDifferencesResolve(t *testing.T) {
	const a, b, third = `{"id":1,"v":"a"}`, `{"id":1,"v":"b"}`, `{"id":1,"v":"c"}`
	c := receivedLines(t, testKey[:1], order("INSERT", a))
	receive := func(line string) {
		t.Helper()
		if err := c.receive(item{line: []byte(line)}); err != nil {
			t.Fatal(err)
		}
	}
	if changed := c.compare([]byte("1"), []byte(b)); changed || c.open != 1 {
		t.Fatalf("changed %v, %d open", changed, c.open)
	}
	receive(order("UPDATE", third))
	if c.open != 1 {
		t.Error("another row ends the difference")
	}
	receive(order("UPDATE", b))
	receive(order("UPDATE", a))
	if c.open != 0 {
		t.Error("the table's row does not end the difference")
	}
	c.compare([]byte("1"), nil)
	if c.open != 1 {
		t.Error("a deleted row is no difference")
	}
	receive(order("DELETE", a))
	if c.open != 0 {
		t.Error("the DELETE does not end the difference")
	}
	c.compare([]byte("1"), []byte(a))
	if changed := c.compare([]byte("1"), []byte(b)); !changed || c.open != 1 {
		t.Errorf("changed %v, %d open", changed, c.open)
	}
	receive(`{"operation":"TRUNCATE","order":null}`)
	if c.compare([]byte("1"), nil); c.open != 0 {
		t.Error("nothing on both sides is a difference")
	}
}
