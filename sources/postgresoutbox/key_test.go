package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestKeysAndBarriers proves that a changed key is emitted with both keys, and that TRUNCATE and
// changes without a known key are barriers of their table.
func TestKeysAndBarriers(t *testing.T) {
	db := resetDatabase(t, `CREATE TABLE items (id int PRIMARY KEY, v int);
		CREATE TABLE pairs (note text, b text, a int, PRIMARY KEY (a, b)); CREATE TABLE gone (id int PRIMARY KEY)`, "items", "pairs", "gone")
	sourcetest.Exec(t, db, `INSERT INTO items VALUES (3, 0), (4, 0); UPDATE items SET v = 1 WHERE id = 3; UPDATE items SET id = 33 WHERE id = 3; TRUNCATE items;
		INSERT INTO pairs VALUES ('n', 'x,y', 1); UPDATE pairs SET note = 'longer'; UPDATE pairs SET b = 'z'; UPDATE pairs SET note = NULL, a = 2; DELETE FROM pairs;
		INSERT INTO gone VALUES (1); DROP TABLE gone`)
	events := start(t, asChange, sourcetest.NewCollector()).Await(t, 11)
	want := []string{
		"public.items:3", "public.items:4", "public.items:3", "public.items:33 key_before=public.items:3", "public.items barrier=public.items",
		`public.pairs:1,x\,y`, `public.pairs:1,x\,y`, `public.pairs:1,z key_before=public.pairs:1,x\,y`, "public.pairs:2,z key_before=public.pairs:1,z", "public.pairs:2,z",
		"public.gone barrier=public.gone",
	}
	for i, e := range events {
		if got := sourcetest.KeyAttrs(e); got != want[i] {
			t.Errorf("%s: %s, want %s", e.Data, got, want[i])
		}
	}
}

// TestRenamedKey renames, drops and adds columns before and while changes are read. The key of a row
// stays the same, or the change is a barrier.
func TestRenamedKey(t *testing.T) {
	for name, c := range map[string]struct{ ddl, old string }{
		"renamed":           {"RENAME COLUMN id TO number", "public.items:7"},
		"and added":         {"RENAME COLUMN id TO number; ALTER TABLE items ADD COLUMN more int", "public.items:7"},
		"and others":        {"RENAME COLUMN id TO number; ALTER TABLE items RENAME COLUMN v TO amount", "public.items:7"},
		"one dropped":       {"DROP COLUMN first", "public.items:7"},
		"and one dropped":   {"RENAME COLUMN id TO number; ALTER TABLE items DROP COLUMN first", "public.items barrier=public.items"},
		"one dropped, last": {"RENAME COLUMN id TO number; ALTER TABLE items DROP COLUMN v", "public.items barrier=public.items"},
	} {
		t.Run(name, func(t *testing.T) {
			db := resetDatabase(t, "CREATE TABLE items (first int, id int PRIMARY KEY, v int)", "items")
			sourcetest.Exec(t, db, "INSERT INTO items VALUES (1, 7, 0); ALTER TABLE items "+c.ddl+"; UPDATE items SET "+otherColumn(c.ddl))
			st := start(t, asChange, sourcetest.NewCollector())
			events := st.Await(t, 2)
			if got := sourcetest.Join(events, func(e *event.Event) string { return sourcetest.KeyAttrs(e) + ";" }); got != c.old+"; public.items:7; " {
				t.Errorf("before: %s", got)
			}
			key := "id"
			if strings.Contains(c.ddl, "number") {
				key = "number"
			}
			sourcetest.Exec(t, db, fmt.Sprintf("ALTER TABLE items RENAME COLUMN %s TO named_now; UPDATE items SET named_now = 8; DELETE FROM items", key))
			events = st.Await(t, 4)[2:]
			if got := sourcetest.Join(events, func(e *event.Event) string { return sourcetest.KeyAttrs(e) + ";" }); got != "public.items:8 key_before=public.items:7; public.items:8; " {
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
