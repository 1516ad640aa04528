package postgreswal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv/sourcetest"
)

// resetDocs creates a table with a value that is stored apart from its row, so that an UPDATE of other columns does not write it.
func resetDocs(t *testing.T) *pgx.Conn {
	t.Helper()
	db := kind.Reset(t, "CREATE TABLE docs (id int PRIMARY KEY, v int, note text, more text); ALTER TABLE docs ALTER note SET STORAGE EXTERNAL, ALTER more SET STORAGE EXTERNAL;", "docs")
	sourcetest.Exec(t, db, "INSERT INTO docs SELECT n, 1, repeat('a', 10000), repeat('b', 10000) FROM generate_series(1, 5) n")
	return db
}

// requireUpdate checks the update of a row of docs. Its notes have one letter each, "-" where the row lacks it.
func requireUpdate(t *testing.T, e *event.Event, v int, note, more, readBack, incomplete string) {
	t.Helper()
	row := sourcetest.ChangeOf(t, e).New
	letters := ""
	for _, name := range []string{"note", "more"} {
		text, ok := row[name].(string)
		if !ok {
			text = "-"
		} else if len(text) != 10000 {
			t.Errorf("%s has %d characters", name, len(text))
		}
		letters += text[:1]
	}
	if got := attrs(e, attrReadBack, attrIncomplete); sourcetest.Operation(e) != "UPDATE" || row["v"] != float64(v) || letters != note+more || !slices.Equal(got, []string{readBack, incomplete}) {
		t.Errorf("%s of %v: %s, attributes %q", sourcetest.Operation(e), row["v"], letters, got)
	}
}

// TestUnchangedValuesOfFullIdentity proves that values that an UPDATE has not written come from the old row.
func TestUnchangedValuesOfFullIdentity(t *testing.T) {
	db := resetDocs(t)
	sourcetest.Exec(t, db, "UPDATE docs SET v = 2 WHERE id = 1")
	sourcetest.Exec(t, db, "UPDATE docs SET note = repeat('c', 10000) WHERE id = 1")
	sourcetest.Exec(t, db, "DELETE FROM docs WHERE id = 1")
	events := start(t, asChange, sourcetest.NewCollector()).Await(t, 8)
	requireUpdate(t, events[5], 2, "a", "b", "", "")
	requireUpdate(t, events[6], 2, "c", "b", "", "")
	for i, want := range []string{"a", "a", "c"} {
		if note := sourcetest.ChangeOf(t, events[5+i]).Old["note"].(string); note != strings.Repeat(want, 10000) {
			t.Errorf("the old row of event %d has %.10s, want %s", i, note, want)
		}
	}
}

// TestUnchangedValuesOfDefaultIdentity proves that values that an UPDATE has not written are read back, and that the event
// is marked; if the row is gone, or the value has another name now, the event lacks it, and is marked, too.
func TestUnchangedValuesOfDefaultIdentity(t *testing.T) {
	db := resetDocs(t)
	setIdentity(t, db, "docs", "DEFAULT")
	st := start(t, asChange, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "UPDATE docs SET v = 2 WHERE id = 1")
	events := st.Await(t, 6)
	requireUpdate(t, events[5], 2, "a", "b", "note,more", "")
	kind.AwaitStored(t, db, events)
	st.Stop()

	sourcetest.Exec(t, db, "UPDATE docs SET v = 3 WHERE id = 1")
	sourcetest.Exec(t, db, "UPDATE docs SET v = 4, note = repeat('c', 10000) WHERE id = 1")
	sourcetest.Exec(t, db, "UPDATE docs SET v = 5 WHERE id = 2")
	sourcetest.Exec(t, db, "DELETE FROM docs WHERE id = 2")
	sourcetest.Exec(t, db, "UPDATE docs SET v = 6 WHERE id = 3")
	sourcetest.Exec(t, db, "UPDATE docs SET id = 33 WHERE id = 3")
	st = start(t, asChange, sourcetest.NewCollector())
	events = st.Await(t, 6)
	requireUpdate(t, events[0], 3, "c", "b", "note,more", "") // the event of the value c follows
	requireUpdate(t, events[1], 4, "c", "b", "more", "")
	requireUpdate(t, events[2], 5, "-", "-", "", "note,more")
	requireUpdate(t, events[4], 6, "-", "-", "", "note,more")
	requireUpdate(t, events[5], 6, "a", "b", "note,more", "")
	if got := sourcetest.KeyAttrs(events[5]); got != "public.docs:33 key_before=public.docs:3" {
		t.Errorf("key %s", got)
	}
	if c := sourcetest.ChangeOf(t, events[3]); fmt.Sprint(c.Old) != "map[id:2]" || c.New != nil {
		t.Errorf("the DELETE has the old row %v, and the new one %v", c.Old, c.New)
	}
	kind.AwaitStored(t, db, events)
	st.Stop()

	sourcetest.Exec(t, db, "UPDATE docs SET v = 7 WHERE id = 4")
	sourcetest.Exec(t, db, "ALTER TABLE docs RENAME COLUMN note TO text")
	st = start(t, asChange, sourcetest.NewCollector())
	requireUpdate(t, st.Await(t, 1)[0], 7, "-", "-", "", "note,more")
}

// TestIdentities proves that a DELETE or a changed key with the default identity has the old key only, that
// an index can be the identity, and that a change without any is a barrier.
func TestIdentities(t *testing.T) {
	db := kind.Reset(t, `CREATE TABLE items (id int PRIMARY KEY, v int NOT NULL, w int); CREATE UNIQUE INDEX by_v ON items (v); INSERT INTO items VALUES (1, 10, 0), (2, 20, 0);`, "items")
	setIdentity(t, db, "items", "USING INDEX by_v")
	st := start(t, asChange, sourcetest.NewCollector())

	sourcetest.Exec(t, db, "UPDATE items SET w = 1 WHERE id = 1")
	sourcetest.Exec(t, db, "UPDATE items SET v = 11 WHERE id = 1")
	sourcetest.Exec(t, db, "DELETE FROM items WHERE id = 1")
	setIdentity(t, db, "items", "DEFAULT")
	sourcetest.Exec(t, db, "UPDATE items SET id = 3 WHERE id = 2")
	sourcetest.Exec(t, db, "DELETE FROM items WHERE id = 3")
	var got []string
	for _, e := range st.Await(t, 5) {
		c := sourcetest.ChangeOf(t, e)
		got = append(got, fmt.Sprint(c.Operation, " ", sourcetest.KeyAttrs(e), " ", c.Old))
	}
	want := []string{
		"UPDATE public.items barrier=public.items map[]", "UPDATE public.items barrier=public.items map[v:10]", "DELETE public.items barrier=public.items map[v:11]",
		"UPDATE public.items:3 key_before=public.items:2 map[id:2]", "DELETE public.items:3 map[id:3]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
