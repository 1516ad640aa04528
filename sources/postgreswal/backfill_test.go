package postgreswal

import (
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestBackfill proves that a running source reads a table again under new IDs, once for each command, also if it is killed meanwhile,
// and one that is away reads it when it is back. The receiver has the table at the end, with changes in between.
func TestBackfill(t *testing.T) {
	const rows = 3000
	db := kind.Reset(t, sourcetest.ItemsSQL+"INSERT INTO items SELECT n, 0 FROM generate_series(1, 3000) n;", "items")
	ask := func() {
		t.Helper()
		out, err := runWAL(t, "backfill", "--table", "items")
		if err != nil || out != "the source of the slot gateway reads the rows of public.items again, when it runs; its log tells how far it is" {
			t.Errorf("%s, %v", out, err)
		}
	}
	if _, err := runWAL(t, "backfill", "--table", "items"); err == nil || !strings.Contains(err.Error(), "no source has read the slot gateway") {
		t.Errorf("without a source: %v", err)
	}
	if _, err := runWAL(t, "backfill"); err == nil || !strings.Contains(err.Error(), "--table is required") {
		t.Errorf("without a table: %v", err)
	}
	g := newGate(0)
	set := func(o *Options) { o.Output, o.Tables = "change", []string{"items"} }
	begin := func() *sourcetest.Running { return sourcetest.Start(t, unsaved{newSource(t, set)}, g.Collector, g) }
	st := begin()
	sourcetest.Exec(t, db, "UPDATE items SET v = 1 WHERE id = 7")
	st.AwaitKey(t, "public.items:7")
	ask()
	awaitReads(t, st, rows)
	st.Stop()
	ask()
	g.from.Store(500)
	st = begin()
	g.await(t)
	sourcetest.Exec(t, db, "UPDATE items SET v = v + 1 WHERE id BETWEEN 400 AND 700; DELETE FROM items WHERE id = 2000; UPDATE items SET id = -7, v = 9 WHERE id = 8")
	st.Stop() // killed
	g.from.Store(0)
	st = begin()
	awaitReads(t, st, 2*rows-1)
	events := awaitComplete(t, db, st)
	requireTable(t, db, events)
	if n := readRows(events); n > 2*rows+1 {
		t.Errorf("%d rows were read", n)
	}
}

// TestBackfillByStrangers proves that messages that the command has not written have no effect, and that a table that is not in tables is reported.
func TestBackfillByStrangers(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL+"CREATE TABLE other (id int PRIMARY KEY); INSERT INTO items VALUES (1)", "items")
	g := newGate(0)
	st := sourcetest.Start(t, newSource(t, func(o *Options) { o.Output, o.Tables = "change", []string{"items"} }), g.Collector, g)
	for _, prefix := range []string{backfillPrefix, movePrefix, "gateway"} {
		for _, text := range []string{`''`, `'\x00'::bytea`, `'\xff00ff'::bytea`, `gen_random_uuid()::text`, `'public.items'`} {
			sourcetest.Exec(t, db, "SELECT pg_logical_emit_message(true, '"+prefix+"', "+text+"), pg_logical_emit_message(false, '"+prefix+"', "+text+")")
		}
	}
	if _, err := runWAL(t, "backfill", "--table", "other"); err != nil {
		t.Error(err)
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	events := st.AwaitKey(t, "public.items:2")
	if got := sourcetest.Join(events, func(e *event.Event) string { return sourcetest.Operation(e) }); got != "INSERT " {
		t.Errorf("events %s", got)
	}
	select {
	case err := <-g.failed:
		if !strings.Contains(err.Error(), "the rows of public.other are not read again: the table is not in tables") {
			t.Error(err)
		}
	default:
		t.Error("nothing is reported")
	}
	kind.AwaitStored(t, db, events)
	testenv.WaitForSQL(t, db, "SELECT snapshot IS NULL FROM gateway.wal_reader")
}
