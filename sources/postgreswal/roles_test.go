package postgreswal

import (
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestLeastRights proves that a source reads, leads, takes a snapshot, and reads unchanged values back with what `gateway sql --role` has given its role. The owner of the
// tables installs, and a role writes that may only write. PUBLIC has no default rights.
func TestLeastRights(t *testing.T) {
	db := kind.Reset(t, "DROP SCHEMA IF EXISTS shop CASCADE;"+testenv.RoleSQL("shop")+testenv.RoleSQL("writer")+testenv.RoleSQL("reader"))
	kind.Remove(t, db)
	testenv.RevokePublic(t)
	sourcetest.Exec(t, db, `GRANT CONNECT, CREATE ON DATABASE postgres TO shop; GRANT CONNECT ON DATABASE postgres TO writer`)
	shop := testenv.ConnectAs(t, "shop")
	orders := pgtrigger.WAL{Tables: []pgtrigger.Table{{Schema: "shop", Name: "orders"}}, Publication: "gateway", KeyIdentity: true}
	sourcetest.Exec(t, shop, `CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, note text, large text); ALTER TABLE shop.orders ALTER large SET STORAGE EXTERNAL;
		INSERT INTO shop.orders VALUES (1, 'before'); GRANT USAGE ON SCHEMA shop TO writer; GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON shop.orders TO writer`)
	sourcetest.Exec(t, shop, orders.CreateSQL())
	sql, err := pgtrigger.RoleSQL("wal", "reader", orders.Tables)
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, sql)                                    // a role is made by one that may
	sourcetest.Exec(t, db, `ALTER ROLE reader CONNECTION LIMIT 6`) // two of them for check --live

	st := start(t, func(o *Options) {
		o.URL, o.Tables, o.Owners, o.Snapshot = options.NewURL(testenv.RoleURL(t, "reader")), []string{"shop.orders"}, []string{"shop"}, "initial"
	}, sourcetest.NewCollector())
	st.Await(t, 1)
	kind.AwaitSnapshots(t, db, 1)
	l, err := st.Source.(*source).Campaign(testenv.Context(t), "orders", 0, func(string) { t.Error("it stands by") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Resign()
	if err := l.Confirm(testenv.Context(t)); err != nil {
		t.Error(err)
	}
	writer := testenv.ConnectAs(t, "writer")
	sourcetest.Exec(t, writer, `INSERT INTO shop.orders VALUES (2, 'x', repeat('large', 2000))`)
	sourcetest.Exec(t, writer, `UPDATE shop.orders SET note = 'y' WHERE id = 2`)
	events := st.Await(t, 3)
	if got := string(events[2].Data); !strings.Contains(got, `"note":"y","large":"largelarge`) {
		t.Errorf("the UPDATE is %.200s", got)
	}
	sourcetest.Exec(t, writer, `DELETE FROM shop.orders WHERE id = 2; TRUNCATE shop.orders`)
	kind.AwaitStored(t, db, st.Await(t, 5))
	for _, sql := range []string{"SELECT FROM gateway.wal_reader", "SELECT pg_drop_replication_slot('gateway')"} {
		if _, err := writer.Exec(testenv.Context(t), sql); err == nil {
			t.Errorf("the writer may %s", sql)
		}
	}
	l.Resign()
	for _, f := range st.Source.(plugin.Prober).Probe(testenv.Context(t)) {
		if f.Level == plugin.Problem {
			t.Errorf("check --live: %+v", f)
		}
	}
	st.Stop()
	if len(st.Errs) > 0 {
		t.Errorf("a run has failed: %v", <-st.Errs)
	}
	kind.Remove(t, db)
	sourcetest.Exec(t, db, `DROP SCHEMA shop CASCADE; DROP OWNED BY shop, writer, reader; DROP ROLE shop, writer, reader`)
}
