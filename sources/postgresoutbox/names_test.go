package postgresoutbox

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestNamesWithDots proves that tables whose quoted names differ only in where a dot belongs are
// distinct in options, keys, rows of the outbox, and a snapshot.
func TestNamesWithDots(t *testing.T) {
	db := resetDatabase(t, `DROP SCHEMA IF EXISTS a CASCADE; DROP SCHEMA IF EXISTS "a.b" CASCADE; CREATE SCHEMA a; CREATE SCHEMA "a.b";
		CREATE TABLE "a.b".c (id int PRIMARY KEY); CREATE TABLE a."b.c" (id int PRIMARY KEY); CREATE TABLE a.x (id text PRIMARY KEY); CREATE TABLE a."x:y" (id text PRIMARY KEY);
		INSERT INTO "a.b".c VALUES (1); INSERT INTO a."b.c" VALUES (2)`, `"a.b".c`, `a."b.c"`, `a.x`, `a."x:y"`)
	first := start(t, func(o *Options) { o.Name, o.Tables, o.Snapshot = "first", []string{`"a.b".c`}, "initial" }, sourcetest.NewCollector())
	second := start(t, func(o *Options) {
		o.Name, o.Tables, o.Snapshot = "second", []string{`a."b.c"`, "a.x", `a."x:y"`}, "initial"
	}, sourcetest.NewCollector())
	for _, st := range []*runningSource{first, second} {
		for _, f := range st.source.Probe(testenv.Context(t)) {
			if f.Level == plugin.Problem {
				t.Errorf("check --live: %+v", f)
			}
		}
	}
	first.Await(t, 1)
	second.Await(t, 1)
	// Else a row that is inserted below is in the snapshot, too.
	testenv.WaitForSQL(t, db, `SELECT count(*) = 4 FROM gateway.outbox_reader r, json_each(r.snapshot->'tables') t WHERE (t.value->>'done')::bool`)
	sourcetest.Exec(t, db, `INSERT INTO "a.b".c VALUES (3); INSERT INTO a."b.c" VALUES (4); INSERT INTO a.x VALUES ('y:1'); INSERT INTO a."x:y" VALUES ('1')`)
	text := func(e *event.Event) string {
		table, _ := e.Attr(event.AttrTable)
		return e.Key + " of " + table + ";"
	}
	if got, want := sourcetest.Join(first.Await(t, 2), text), `"a.b".c:1 of "a.b".c; "a.b".c:3 of "a.b".c; `; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := sourcetest.Join(second.Await(t, 4), text), `a."b.c":2 of a."b.c"; a."b.c":4 of a."b.c"; a.x:y:1 of a.x; a."x:y":1 of a."x:y"; `; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	first.Stop()
	second.Stop()
	sourcetest.Exec(t, db, `DROP SCHEMA a CASCADE; DROP SCHEMA "a.b" CASCADE`)
}

// TestRenamesUnderLoad of a table, its schema and the columns of its key: nothing is lost, each row's changes keep their
// order, and the reader stops only to be given the new name beside the old one.
func TestRenamesUnderLoad(t *testing.T) {
	db := resetDatabase(t, `DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS store CASCADE; CREATE SCHEMA shop; CREATE TABLE shop.items (id int PRIMARY KEY, n int);
		CREATE VIEW items AS SELECT id, n FROM shop.items; INSERT INTO shop.items SELECT x, 0 FROM generate_series(1, 10) x`, "shop.items")
	out := sourcetest.NewCollector()
	first := start(t, func(o *Options) { o.Tables, o.Output = []string{"shop.items"}, "change" }, out)
	writer := newSession(t)
	ctx, stop := context.WithCancel(testenv.Context(t))
	wrote := make(chan int, 1)
	go func() {
		n := 0
		for ctx.Err() == nil { // the view follows the table
			if _, err := writer.Exec(testenv.Context(t), `UPDATE items SET n = n + 1`); err != nil {
				t.Error(err)
				break
			}
			n++
		}
		wrote <- n
	}()
	more := func() { // changes have come since
		t.Helper()
		out.Await(t, len(out.Events())+50)
	}
	more()
	sourcetest.Exec(t, db, `ALTER TABLE shop.items RENAME TO things`)
	more()
	sourcetest.Exec(t, db, `ALTER SCHEMA shop RENAME TO store`)
	more()
	sourcetest.Exec(t, db, `ALTER TABLE store.things RENAME id TO number`)
	more()
	first.Stop()
	again := start(t, func(o *Options) { o.Tables, o.Output = []string{"shop.items"}, "change" }, out) // the old name only
	more()
	again.Stop()
	both := start(t, func(o *Options) { o.Tables, o.Output = []string{"shop.items", "store.things"}, "change" }, out)
	more()
	for _, f := range both.source.Probe(testenv.Context(t)) {
		if f.Level == plugin.Problem {
			t.Errorf("check --live: %+v", f)
		}
	}
	renamed := len(out.Events()) // from here on, changes that wait have a name that no trigger has
	for {                        // the SQL rather fails than that a user's write waits for long
		_, err := db.Exec(testenv.Context(t), outbox(t, "store.things").CreateSQL())
		if err == nil {
			break
		}
		if !isLockTimeout(err) {
			t.Fatal(err)
		}
	}
	more()
	both.Stop()
	last := start(t, func(o *Options) { o.Tables, o.Output = []string{"shop.items", "store.things"}, "change" }, out) // the old name is nothing's now
	more()
	stop()
	n := <-wrote
	seen := map[string]int{}
	for i, e := range out.Await(t, 10*n) {
		c := sourcetest.ChangeOf(t, e)
		id := strings.Trim(fmt.Sprint(c.New["id"], c.New["number"]), "<nil> ")
		if got := int(c.New["n"].(float64)); got != seen[id]+1 {
			t.Fatalf("row %s: %d comes after %d", id, got, seen[id])
		}
		_, barrier := e.Attr(event.AttrBarrier)
		if want := e.Channel + ":" + id; e.Key != want && !(i >= renamed && e.Channel == "shop.items" && e.Key == e.Channel && barrier) {
			t.Errorf("event %d has the key %s, want %s", i, e.Key, want)
		}
		seen[id]++
	}
	last.Stop()
	sourcetest.Exec(t, db, `DROP SCHEMA store CASCADE`)
}
