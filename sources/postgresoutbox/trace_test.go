package postgresoutbox

import (
	"os"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv/sourcetest"
)

const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// traceOf returns the trace that an event was emitted with; "" if it has none.
func traceOf(e *event.Event) string {
	text, ok := e.Attr(event.AttrTraceParent)
	if ok && text == "" {
		return "empty"
	}
	return text
}

// TestTraceOfTransaction proves that the changes of a transaction have the trace in its setting, and those of others have none.
func TestTraceOfTransaction(t *testing.T) {
	db := resetDatabase(t, `CREATE TABLE items (id int PRIMARY KEY, note text)`, "items")
	sourcetest.Exec(t, db, `BEGIN; SET LOCAL eventgateway.traceparent = '`+traceParent+`'; INSERT INTO items VALUES (1, 'x'); UPDATE items SET note = 'y'; DELETE FROM items; TRUNCATE items; COMMIT`)
	sourcetest.Exec(t, db, `INSERT INTO items VALUES (2, 'x')`) // the setting is empty now
	for _, invalid := range []string{"x", traceParent + "0", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01", "\u0081" + traceParent[2:], strings.Repeat("0", 55)} {
		sourcetest.Exec(t, db, `BEGIN; SELECT set_config('eventgateway.traceparent', '`+invalid+`', true); UPDATE items SET note = note || 'z'; COMMIT`)
	}
	st := start(t, nil, sourcetest.NewCollector())
	events := st.Await(t, 10)
	for i, e := range events {
		want := ""
		if i < 4 {
			want = traceParent
		}
		if got := traceOf(e); got != want {
			t.Errorf("change %d, %s: trace %q, want %q", i, e.Data, got, want)
		}
	}
	fresh := newSession(t) // has never had the setting
	sourcetest.Exec(t, fresh, `INSERT INTO items VALUES (3, 'x')`)
	if got := traceOf(st.Await(t, 11)[10]); got != "" {
		t.Errorf("trace %q", got)
	}
}

// TestTraceNeedsVersion proves that a reader works with the former version of the SQL, without traces. It has traces once the SQL is
// up to date and the source is started again.
func TestTraceNeedsVersion(t *testing.T) {
	old, err := os.ReadFile("../../gateway/pgtrigger/testdata/past/outbox-7.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := resetDatabase(t, `CREATE SCHEMA IF NOT EXISTS shop; CREATE TABLE IF NOT EXISTS shop."Order Items" (id int PRIMARY KEY, note text); CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, note text)`)
	sourcetest.Exec(t, db, string(old))
	write := func(id string) {
		t.Helper()
		sourcetest.Exec(t, db, `BEGIN; SET LOCAL eventgateway.traceparent = '`+traceParent+`'; INSERT INTO orders VALUES (`+id+`, 'x'); COMMIT`)
	}
	st := start(t, nil, sourcetest.NewCollector())
	write("1")
	if got := traceOf(st.Await(t, 1)[0]); got != "" {
		t.Errorf("trace %q", got)
	}
	sourcetest.Exec(t, db, pgtrigger.Outbox{}.CreateSQL())
	write("2")
	if e := st.Await(t, 2)[1]; e.Key != "public.orders:2" {
		t.Errorf("event %+v", e)
	}
	st.Stop()
	write("3")
	next := start(t, nil, sourcetest.NewCollector())
	events := next.Await(t, 1)
	if e := events[len(events)-1]; traceOf(e) != traceParent {
		t.Errorf("event %+v", e)
	}
}
