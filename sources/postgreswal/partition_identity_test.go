package postgreswal

import (
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/testenv/sourcetest"
)

// TestPartitionsWithAnotherIdentity makes a partition after the publication: its identity is the primary key, and that of its table is
// full. It proves that old rows are marked as incomplete, instead of having nulls, and that an unchanged value is read back.
func TestPartitionsWithAnotherIdentity(t *testing.T) {
	db := kind.Reset(t, `CREATE TABLE parts (id int PRIMARY KEY, v int, note text) PARTITION BY RANGE (id);
		ALTER TABLE parts ALTER note SET STORAGE EXTERNAL; CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);`, "parts")
	st := start(t, asChange, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200)")
	sourcetest.Exec(t, db, "INSERT INTO parts SELECT n, 1, repeat('a', 10000) FROM unnest(ARRAY[1, 101]) n")
	sourcetest.Exec(t, db, "UPDATE parts SET id = id + 1")
	sourcetest.Exec(t, db, "UPDATE parts SET v = 2")
	st.Await(t, 6) // the unchanged value was read back
	sourcetest.Exec(t, db, "DELETE FROM parts")
	want := map[string][]string{
		"public.parts:2":   {"UPDATE old", "UPDATE old", "DELETE old"},
		"public.parts:102": {"UPDATE id", "UPDATE -", "DELETE id"},
	}
	got := map[string][]string{}
	for _, e := range st.Await(t, 8)[2:] {
		c, text := sourcetest.ChangeOf(t, e), "old"
		incomplete := attrs(e, attrIncomplete)[0]
		if note, has := c.Old["note"]; c.Old == nil {
			text = "-"
		} else if _, hasV := c.Old["v"]; !has && !hasV {
			text = "id"
		} else if note != strings.Repeat("a", 10000) || c.Old["v"] == nil {
			t.Errorf("%s of %s: the old row has v %v and %.10v", c.Operation, e.Key, c.Old["v"], note)
		}
		if note := c.Row()["note"]; note != strings.Repeat("a", 10000) && (c.New != nil || incomplete != "v,note") {
			t.Errorf("%s of %s: note is %.10v, incomplete %q", c.Operation, e.Key, note, incomplete)
		}
		got[e.Key] = append(got[e.Key], c.Operation+" "+text)
	}
	for key := range want {
		if !slices.Equal(got[key], want[key]) {
			t.Errorf("%s: %q, want %q", key, got[key], want[key])
		}
	}
}

// TestKeyOutsideTheIdentity proves that an UPDATE is a barrier where the WAL does not have the key before: it may have changed.
func TestKeyOutsideTheIdentity(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	sourcetest.Exec(t, db, "ALTER TABLE items ADD code int NOT NULL UNIQUE DEFAULT 7")
	setIdentity(t, db, "items", "USING INDEX items_code_key")
	st := start(t, asChange, sourcetest.NewCollector())
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
	sourcetest.Exec(t, db, "UPDATE items SET id = 2 WHERE id = 1")
	sourcetest.Exec(t, db, "DELETE FROM items")
	events := st.Await(t, 3)
	for i, want := range []string{"public.items:1 ", "public.items barrier=public.items ", "public.items barrier=public.items "} {
		if got := sourcetest.Join(events[i:i+1], sourcetest.KeyAttrs); got != want {
			t.Errorf("event %d: %q, want %q", i, got, want)
		}
	}
}

// TestKeyReplacedBeforeReading proves that a change keeps order although the table got another primary key after it was written: the
// key of the stream, and not only that of the catalog, decides which old keys are known.
func TestKeyReplacedBeforeReading(t *testing.T) {
	db := kind.Reset(t, "CREATE TABLE items (id int PRIMARY KEY, code int NOT NULL);", "items")
	setIdentity(t, db, "items", "DEFAULT")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (1, 10)")
	sourcetest.Exec(t, db, "UPDATE items SET code = 11")
	sourcetest.Exec(t, db, "ALTER TABLE items DROP CONSTRAINT items_pkey, ADD PRIMARY KEY (code)")
	events := start(t, asChange, sourcetest.NewCollector()).Await(t, 2)
	if got := sourcetest.Join(events[1:], sourcetest.KeyAttrs); got != "public.items barrier=public.items " {
		t.Errorf("got %q", got)
	}
}
