package postgreswal

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestChangesBeforeDDL proves that rows arrive as they were written, although columns were added, dropped, renamed or altered before
// they are read. Where the key cannot be told any more, the change is a barrier.
func TestChangesBeforeDDL(t *testing.T) {
	for name, c := range map[string]struct{ ddl, key string }{
		"added":           {"ADD COLUMN more int DEFAULT 5", "public.items:7"},
		"dropped":         {"DROP COLUMN v", "public.items:7"},
		"renamed":         {"RENAME COLUMN v TO amount", "public.items:7"},
		"altered":         {"ALTER COLUMN v TYPE text", "public.items:7"},
		"key renamed":     {"RENAME COLUMN id TO number", "public.items:7|public.items barrier=public.items"},
		"another key":     {"DROP CONSTRAINT items_pkey; ALTER TABLE items ADD PRIMARY KEY (v)", "public.items:0"},
		"without a key":   {"DROP CONSTRAINT items_pkey", "public.items barrier=public.items"},
		"dropped table":   {"ADD COLUMN x int; DROP TABLE items", "public.items barrier=public.items"},
		"recreated table": {"ADD COLUMN x int; DROP TABLE items; CREATE TABLE items (v text, id int PRIMARY KEY)", "public.items barrier=public.items"},
	} {
		t.Run(name, func(t *testing.T) {
			db := kind.Reset(t, "CREATE TABLE items (first text, id int PRIMARY KEY, v int);", "items")
			sourcetest.Exec(t, db, "INSERT INTO items VALUES ('f', 7, 0)")
			sourcetest.Exec(t, db, "ALTER TABLE items "+c.ddl)
			e := start(t, nil, sourcetest.NewCollector()).Await(t, 1)[0]
			if want := `{"operation" : "INSERT", "order" : {"first":"f","id":7,"v":0}}`; string(e.Data) != want {
				t.Errorf("got  %s\nwant %s", e.Data, want)
			}
			if got := sourcetest.KeyAttrs(e); got != strings.Split(c.key, "|")[0] && !strings.HasSuffix(c.key, "|"+got) {
				t.Errorf("key %s, want %s", got, c.key)
			}
		})
	}
}

// TestGeneratedColumns proves that an event says which columns the server has not sent.
func TestGeneratedColumns(t *testing.T) {
	db := kind.Reset(t, "CREATE TABLE items (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED);", "items")
	st := start(t, nil, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1, 2)")
	sourcetest.Exec(t, db, "DELETE FROM items")
	events := st.Await(t, 2)
	for i, want := range []string{`{"operation" : "INSERT", "order" : {"id":1,"v":2}}`, `{"operation" : "DELETE", "order" : {"id":1,"v":2}}`} {
		if got := attrs(events[i], attrIncomplete)[0]; string(events[i].Data) != want || got != "twice" {
			t.Errorf("got  %s, incomplete %q\nwant %s", events[i].Data, got, want)
		}
	}
}

// TestPartitionsOfAnotherOrder proves that rows have the columns of their table, in its order, whatever that of a partition is.
func TestPartitionsOfAnotherOrder(t *testing.T) {
	db := kind.Reset(t, `CREATE TABLE parts (id int, region text, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		CREATE TABLE parts_us (note text, gone int, id int NOT NULL, region text NOT NULL); ALTER TABLE parts_us DROP COLUMN gone; ALTER TABLE parts ATTACH PARTITION parts_us FOR VALUES IN ('us');`, "parts")
	st := start(t, nil, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO parts VALUES (1, 'us', 'n')")
	sourcetest.Exec(t, db, "DELETE FROM parts_us")
	for i, e := range st.Await(t, 2) {
		if want := fmt.Sprintf(`{"operation" : "%s", "order" : {"id":1,"region":"us","note":"n"}}`, []string{"INSERT", "DELETE"}[i]); string(e.Data) != want || e.Key != "public.parts:us,1" {
			t.Errorf("got  %s %s\nwant %s", e.Key, e.Data, want)
		}
	}
}

// TestRenamesUnderLoad renames a table, its schema and the columns of its key, without the option tables. It proves that no change is
// lost, and that each row's changes keep their order.
func TestRenamesUnderLoad(t *testing.T) {
	db := kind.Reset(t, `DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS store CASCADE; CREATE SCHEMA shop; CREATE TABLE shop.items (id int PRIMARY KEY, n int);
		CREATE VIEW items AS SELECT id, n FROM shop.items; INSERT INTO shop.items SELECT x, 0 FROM generate_series(1, 10) x;`, "shop.items")
	out := sourcetest.NewCollector()
	st := start(t, asChange, out)
	writer := testenv.Connect(t)
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
	for _, sql := range []string{"", `ALTER TABLE shop.items RENAME TO things`, `ALTER SCHEMA shop RENAME TO store`, `ALTER TABLE store.things RENAME id TO number`} {
		if sql != "" {
			sourcetest.Exec(t, db, sql)
		}
		out.Await(t, len(out.Events())+50) // changes have come since
	}
	stop()
	n := <-wrote
	seen, names := map[string]int{}, map[string]bool{}
	for _, e := range out.Await(t, 10*n) {
		c := sourcetest.ChangeOf(t, e)
		id := strings.Trim(fmt.Sprint(c.New["id"], c.New["number"]), "<nil> ")
		if got := int(c.New["n"].(float64)); got != seen[id]+1 {
			t.Fatalf("row %s: %d comes after %d", id, got, seen[id])
		}
		if barrier, ok := e.Attr(event.AttrBarrier); e.Key != e.Channel+":"+id && (!ok || barrier != e.Channel) {
			t.Errorf("key %s of row %s", e.Key, id)
		}
		seen[id]++
		names[e.Channel] = true
	}
	if !names["shop.items"] || !names["store.things"] {
		t.Errorf("names %v", names)
	}
	st.Stop()
	sourcetest.Exec(t, db, `DROP SCHEMA store CASCADE`)
}
