package pgconn_test

import (
	"errors"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

// TestRewrittenTable proves that a table, or a partition, that was rewritten, truncated or renamed after the snapshot is not read as one
// without rows, and that other changes of it do not matter.
func TestRewrittenTable(t *testing.T) {
	db := prepare(t, false)
	config, err := pgconn.Config(options.NewURL(testenv.Postgres(t).URL()), "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &pgconn.RowReader{Config: config, Timeout: 5 * time.Second}
	defer r.Close()
	for change, changed := range map[string]bool{
		"ALTER TABLE rewritten ALTER v TYPE bigint": true,
		"TRUNCATE rewritten":                        true,
		"TRUNCATE rewritten_1":                      true,
		"ALTER TABLE rewritten RENAME TO other; CREATE TABLE rewritten (id int)":                              true,
		"ALTER TABLE rewritten RENAME TO other; ALTER TABLE standby RENAME TO rewritten":                      true,
		"ALTER TABLE rewritten ADD extra int":                                                                 false,
		"DELETE FROM rewritten":                                                                               false,
		"CREATE TABLE rewritten_3 PARTITION OF rewritten FOR VALUES IN (3); INSERT INTO rewritten VALUES (3)": false,
	} {
		exec(t, db, `DROP TABLE IF EXISTS rewritten, other, standby; CREATE TABLE rewritten (id int, v int) PARTITION BY LIST (id); CREATE TABLE rewritten_1 PARTITION OF rewritten FOR VALUES IN (1);
			CREATE TABLE rewritten_2 PARTITION OF rewritten FOR VALUES IN (2); INSERT INTO rewritten VALUES (1), (2), (2); CREATE TABLE standby (id int)`)
		exporting := testenv.Connect(t)
		exec(t, exporting, "BEGIN ISOLATION LEVEL REPEATABLE READ")
		var view string
		if err := exporting.QueryRow(testenv.Context(t), "SELECT pg_export_snapshot()").Scan(&view); err != nil {
			t.Fatal(err)
		}
		exec(t, db, change)
		n := 0
		g, err := r.Begin(testenv.Context(t), "public.rewritten", view, constant("SELECT ARRAY[]::text[], r.id::text, false FROM public.rewritten r"))
		if err == nil {
			var rows []pgconn.Row
			rows, err = find(t, g, nil)
			n = len(rows)
			g.End(testenv.Context(t))
		}
		exec(t, exporting, "ROLLBACK")
		switch {
		case changed && err == nil, changed && change[:5] == "TRUNC" && !errors.Is(err, pgconn.ErrChanged):
			t.Errorf("%s: %d rows, %v", change, n, err)
		case !changed && (err != nil || n != 3):
			t.Errorf("%s: %d rows, %v", change, n, err)
		}
	}
	exec(t, db, "DROP TABLE IF EXISTS rewritten, other, standby")
}
