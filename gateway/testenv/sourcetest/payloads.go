package sourcetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin/plugintest"
)

// Payloads proves that an order equals the payload of the old trigger, and that a change has all
// fields.
func (k Kind) Payloads(t *testing.T) {
	const ddl = `CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric, note text, at timestamptz, raw bytea);`
	changes := func(t *testing.T, output string) []*event.Event {
		db := k.Reset(t, ddl, "orders")
		Exec(t, db, "SET timezone = 'Asia/Tokyo'; SET bytea_output = 'escape'")
		st := k.Start(t, Settings{Output: output}, NewCollector())
		defer st.Stop()
		Exec(t, db, `INSERT INTO orders VALUES (9007199254740993, 100.50, 'é "x"', '2024-01-02 03:04:05.678901+00', '\x00ff')`)
		Exec(t, db, `UPDATE orders SET amount = 1.0`)
		Exec(t, db, `DELETE FROM orders`)
		Exec(t, db, `TRUNCATE orders`)
		return st.Await(t, 4)
	}
	const before = `{"id":9007199254740993,"amount":100.50,"note":"é \"x\"","at":"2024-01-02T03:04:05.678901+00:00","raw":"\\x00ff"}`
	after := strings.Replace(before, "100.50", "1.0", 1)
	events := changes(t, "")
	for i, want := range []string{
		`{"operation" : "INSERT", "order" : ` + before + `}`, `{"operation" : "UPDATE", "order" : ` + after + `}`,
		`{"operation" : "DELETE", "order" : ` + after + `}`, `{"operation" : "TRUNCATE", "order" : null}`,
	} {
		e := events[i]
		if string(e.Data) != want {
			t.Errorf("got  %s\nwant %s", e.Data, want)
		}
		if e.Channel != "public.orders" || e.Source != plugintest.Name || Operation(e) == "" || !strings.Contains(want, Operation(e)) || e.ID == "" {
			t.Errorf("%+v", e)
		}
		if wantKey := "public.orders:9007199254740993"; i < 3 && e.Key != wantKey || i == 3 && e.Key != "public.orders" {
			t.Errorf("key %q", e.Key)
		}
	}
	for i, e := range changes(t, "change") {
		text, c := string(e.Data), ChangeOf(t, e)
		start := fmt.Sprintf(`{"operation":"%s","table":"public.orders","id":%s,"at":"`, []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE"}[i], c.ID)
		end := []string{`"old":null,"new":` + before + `}`, `"old":` + before + `,"new":` + after + `}`, `"old":` + after + `,"new":null}`, `"old":null,"new":null}`}[i]
		if !strings.HasPrefix(text, start) || !strings.HasSuffix(text, end) || len(c.ID) == 0 || time.Since(c.At) > time.Minute {
			t.Errorf("%s", text)
		}
	}
}

// Tables covers names of every kind, keys of several columns, partitions, COPY and large rows; only
// the configured tables are emitted.
func (k Kind) Tables(t *testing.T) {
	ddl := `DROP SCHEMA IF EXISTS "Shop X" CASCADE; CREATE SCHEMA "Shop X"; CREATE TABLE "Shop X"."Order ""Items""" (note text, "No" int, at date, PRIMARY KEY (at, "No"));
		CREATE TABLE parts (id int, region text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu'); CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
		CREATE TABLE other (id int PRIMARY KEY);`
	names := []string{`"Shop X"."Order ""Items"""`, "parts", "other"}
	db := k.Reset(t, ddl, names...)
	k.Install(t, db, names...) // a second time changes nothing
	st := k.Start(t, Settings{Tables: names[:2]}, NewCollector())
	Exec(t, db, `INSERT INTO other VALUES (1)`)
	Exec(t, db, `INSERT INTO "Shop X"."Order ""Items""" VALUES (repeat('é', 500000), 7, '2024-01-02')`)
	Exec(t, db, `COPY parts FROM PROGRAM 'printf "1\teu\n2\tus\n"'`)
	Exec(t, db, `UPDATE parts SET region = 'us' WHERE id = 1`) // it moves to another partition
	events := st.Await(t, 5)
	got := Join(events, func(e *event.Event) string { return Operation(e) + " " + e.Key + ";" })
	if want := `INSERT Shop X.Order "Items":2024-01-02,7; INSERT public.parts:eu,1; INSERT public.parts:us,2; DELETE public.parts:eu,1; INSERT public.parts:us,1; `; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := len(events[0].Data); n < 1_000_000 {
		t.Errorf("the large row has %d bytes", n)
	}
	st.Stop()
	Exec(t, db, `DROP SCHEMA "Shop X" CASCADE`)
}

// KeysAndBarriers proves that a changed key is emitted with both keys, and that TRUNCATE and
// changes without a known key are barriers of their table.
func (k Kind) KeysAndBarriers(t *testing.T) {
	db := k.Reset(t, `CREATE TABLE items (id int PRIMARY KEY, v int);
		CREATE TABLE pairs (note text, b text, a int, PRIMARY KEY (a, b)); CREATE TABLE gone (id int PRIMARY KEY)`, "items", "pairs", "gone")
	Exec(t, db, `INSERT INTO items VALUES (3, 0), (4, 0); UPDATE items SET v = 1 WHERE id = 3; UPDATE items SET id = 33 WHERE id = 3; TRUNCATE items;
		INSERT INTO pairs VALUES ('n', 'x,y', 1); UPDATE pairs SET note = 'longer'; UPDATE pairs SET b = 'z'; UPDATE pairs SET note = NULL, a = 2; DELETE FROM pairs;
		INSERT INTO gone VALUES (1); DROP TABLE gone`)
	events := k.Start(t, Settings{Output: "change"}, NewCollector()).Await(t, 11)
	want := []string{
		"public.items:3", "public.items:4", "public.items:3", "public.items:33 key_before=public.items:3", "public.items barrier=public.items",
		`public.pairs:1,x\,y`, `public.pairs:1,x\,y`, `public.pairs:1,z key_before=public.pairs:1,x\,y`, "public.pairs:2,z key_before=public.pairs:1,z", "public.pairs:2,z",
		"public.gone barrier=public.gone",
	}
	for i, e := range events {
		if got := KeyAttrs(e); got != want[i] {
			t.Errorf("%s: %s, want %s", e.Data, got, want[i])
		}
	}
}

// RenamedKey renames, drops and adds columns before and while changes are read. The key of a row
// stays the same, or the change is a barrier.
func (k Kind) RenamedKey(t *testing.T) {
	for name, c := range map[string]struct{ ddl, old string }{
		"renamed":           {"RENAME COLUMN id TO number", "public.items:7"},
		"and added":         {"RENAME COLUMN id TO number; ALTER TABLE items ADD COLUMN more int", "public.items:7"},
		"and others":        {"RENAME COLUMN id TO number; ALTER TABLE items RENAME COLUMN v TO amount", "public.items:7"},
		"one dropped":       {"DROP COLUMN first", "public.items:7"},
		"and one dropped":   {"RENAME COLUMN id TO number; ALTER TABLE items DROP COLUMN first", "public.items barrier=public.items"},
		"one dropped, last": {"RENAME COLUMN id TO number; ALTER TABLE items DROP COLUMN v", "public.items barrier=public.items"},
	} {
		t.Run(name, func(t *testing.T) {
			db := k.Reset(t, "CREATE TABLE items (first int, id int PRIMARY KEY, v int)", "items")
			Exec(t, db, "INSERT INTO items VALUES (1, 7, 0); ALTER TABLE items "+c.ddl+"; UPDATE items SET "+otherColumn(c.ddl))
			st := k.Start(t, Settings{Output: "change"}, NewCollector())
			events := st.Await(t, 2)
			if got := Join(events, func(e *event.Event) string { return KeyAttrs(e) + ";" }); got != c.old+"; public.items:7; " {
				t.Errorf("before: %s", got)
			}
			key := "id"
			if strings.Contains(c.ddl, "number") {
				key = "number"
			}
			Exec(t, db, fmt.Sprintf("ALTER TABLE items RENAME COLUMN %s TO named_now; UPDATE items SET named_now = 8; DELETE FROM items", key))
			events = st.Await(t, 4)[2:]
			if got := Join(events, func(e *event.Event) string { return KeyAttrs(e) + ";" }); got != "public.items:8 key_before=public.items:7; public.items:8; " {
				t.Errorf("while it runs: %s", got)
			}
		})
	}
}

// otherColumn changes a column that is no part of the key.
func otherColumn(ddl string) string {
	switch {
	case strings.Contains(ddl, "amount"):
		return "amount = 1"
	case strings.Contains(ddl, "DROP COLUMN v"):
		return "first = 2"
	}
	return "v = 1"
}

// NackedChangesAreRedelivered proves that nacked changes are delivered again, and acked ones are
// not, also by the next source.
func (k Kind) NackedChangesAreRedelivered(t *testing.T) {
	db := k.Reset(t, ItemsSQL, "items")
	out := NewCollector()
	failing := 3
	out.AckWith = func(e *event.Event) error {
		if e.Channel == "public.items" && strings.Contains(string(e.Data), `"id":2,`) && failing > 0 {
			failing--
			return errors.New("the sink is away")
		}
		return nil
	}
	st := k.Start(t, Settings{}, out)
	Exec(t, db, "INSERT INTO items VALUES (1)")
	st.Await(t, 1)
	Exec(t, db, "INSERT INTO items VALUES (2)")
	for range 3 {
		if err := <-st.Errs; !strings.Contains(err.Error(), "nacked: the sink is away") {
			t.Error(err)
		}
	}
	Exec(t, db, "INSERT INTO items VALUES (3)")
	k.AwaitStored(t, db, st.Await(t, 3))
	st.Stop()
	if st.Repeated() != 3 {
		t.Errorf("%d events came again, want 3", st.Repeated())
	}
	next := k.Start(t, Settings{}, NewCollector())
	Exec(t, db, "INSERT INTO items VALUES (4)")
	if got := next.Await(t, 1); !strings.Contains(string(got[0].Data), `"id":4,`) {
		t.Errorf("the next source emits %s", got[0].Data)
	}
}
