package sourcetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// SnapshotOfARewrittenTable proves that no row is left out when a table, or a partition, is rewritten in the middle of its snapshot, while the
// source waits for its lock. In a view that is older than the rewrite the table has no rows.
func (k Kind) SnapshotOfARewrittenTable(t *testing.T) {
	const rows = 12_000 // more than may be in flight
	for name, ddl := range map[string]string{
		"table": ItemsSQL,
		"partition": `CREATE TABLE items (id int PRIMARY KEY, v int) PARTITION BY HASH (id);
			CREATE TABLE items_0 PARTITION OF items FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE items_1 PARTITION OF items FOR VALUES WITH (MODULUS 2, REMAINDER 1);`,
	} {
		t.Run(name, func(t *testing.T) {
			db := k.Reset(t, ddl+fmt.Sprintf("INSERT INTO items SELECT n, 0 FROM generate_series(1, %d) n;", rows), "items")
			out := NewCollector()
			out.Withhold = func(*event.Event, int) bool { return true }
			st := k.Start(t, initial("items"), out)
			st.Await(t, 10_000)
			altering := testenv.Connect(t)
			Exec(t, altering, "BEGIN; ALTER TABLE items ALTER v TYPE bigint")
			out.SettleWithheld(nil)
			testenv.WaitForSQL(t, db, "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'items'::regclass AND mode = 'AccessShareLock' AND NOT granted)")
			Exec(t, altering, "COMMIT")
			k.AwaitSnapshots(t, db, 1)
			k.requireItems(t, db, st.Events())
		})
	}
}

// requireItems checks that each row of items has arrived.
func (k Kind) requireItems(t *testing.T, db *pgx.Conn, events []*event.Event) {
	t.Helper()
	arrived := map[int]bool{}
	for _, e := range events {
		if row := ChangeOf(t, e).New; row != nil {
			arrived[int(row["id"].(float64))] = true
		}
	}
	missing := 0
	for _, id := range ItemIDs(t, db, "id >= $1", 0) {
		if !arrived[id] {
			missing++
		}
	}
	if missing > 0 || len(arrived) == 0 {
		t.Errorf("%d rows of items have not arrived", missing)
	}
}

// SnapshotOfAnotherTable replaces a table in the middle of its snapshot: by another table of its name, or by another primary key. It
// proves that the table is read again from its first row on.
func (k Kind) SnapshotOfAnotherTable(t *testing.T) {
	const rows = 12_000 // more than may be in flight
	for name, change := range map[string]string{
		"name": "ALTER TABLE items RENAME TO former; ALTER TABLE latter RENAME TO items",
		"key":  "ALTER TABLE items DROP CONSTRAINT items_pkey; UPDATE items SET v = -id; ALTER TABLE items ADD PRIMARY KEY (v)",
	} {
		t.Run(name, func(t *testing.T) {
			db := k.Reset(t, ItemsSQL+fmt.Sprintf("CREATE TABLE latter (id int PRIMARY KEY, v int); INSERT INTO items SELECT n, n FROM generate_series(1, %d) n; INSERT INTO latter SELECT -n, n FROM generate_series(1, %[1]d) n;", rows), "items", "latter")
			out := NewCollector()
			out.Withhold = func(*event.Event, int) bool { return true }
			st := k.Start(t, initial("items"), out)
			st.Await(t, 10_000)
			Exec(t, db, change)
			out.SettleWithheld(nil)
			k.AwaitSnapshots(t, db, 1)
			have := map[string]bool{}
			for _, e := range st.Events() {
				if c := ChangeOf(t, e); c.New != nil {
					have[fmt.Sprint(c.New["id"], c.New["v"])] = true
				}
			}
			found, err := db.Query(context.Background(), "SELECT id::float8, v::float8 FROM items")
			if err != nil {
				t.Fatal(err)
			}
			missing, id, v := 0, 0.0, 0.0
			if _, err := pgx.ForEachRow(found, []any{&id, &v}, func() error {
				if !have[fmt.Sprint(id, v)] {
					missing++
				}
				return nil
			}); err != nil || missing > 0 {
				t.Errorf("%d rows are missing, %v", missing, err)
			}
		})
	}
}
