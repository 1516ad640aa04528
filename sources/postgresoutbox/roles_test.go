package postgresoutbox

import (
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestLeastRights: the owner of the tables installs, a role writes that may only write, and a reader reads, leads and takes a
// snapshot with what `gateway sql --role` has given it. Nobody has what PUBLIC has by default.
func TestLeastRights(t *testing.T) {
	db := resetDatabase(t, testenv.RoleSQL("shop")+testenv.RoleSQL("writer")+testenv.RoleSQL("reader"))
	sourcetest.Exec(t, db, `DROP SCHEMA gateway CASCADE`)
	testenv.RevokePublic(t)
	sourcetest.Exec(t, db, `GRANT CONNECT, CREATE ON DATABASE postgres TO shop; GRANT CONNECT ON DATABASE postgres TO writer`)
	shop := testenv.ConnectAs(t, "shop")
	orders := []pgtrigger.Table{{Schema: "shop", Name: "orders"}}
	sourcetest.Exec(t, shop, `CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, note text); INSERT INTO shop.orders VALUES (1, 'before');
		GRANT USAGE ON SCHEMA shop TO writer; GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON shop.orders TO writer`)
	sourcetest.Exec(t, shop, pgtrigger.Outbox{Tables: orders}.CreateSQL())
	sql, err := pgtrigger.RoleSQL("outbox", "reader", orders)
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, sql)                                    // a role is made by one that may
	sourcetest.Exec(t, db, `ALTER ROLE reader CONNECTION LIMIT 4`) // as the README has it

	out := sourcetest.NewCollector()
	st := start(t, func(o *Options) {
		o.URL, o.Tables, o.Owners, o.Snapshot = options.NewURL(testenv.RoleURL(t, "reader")), []string{"shop.orders"}, []string{"shop"}, "initial"
	}, out)
	st.Await(t, 1)
	l, err := st.source.Campaign(testenv.Context(t), "orders", 0, func(string) { t.Error("it stands by") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Resign()
	if err := l.Confirm(testenv.Context(t)); err != nil {
		t.Error(err)
	}
	awaitCursor(t, db, "coalesce((snapshot->'tables'->'shop.orders'->>'done')::bool, false)")
	writer := testenv.ConnectAs(t, "writer")
	sourcetest.Exec(t, writer, `INSERT INTO shop.orders VALUES (2, 'x'); UPDATE shop.orders SET note = 'y'; DELETE FROM shop.orders WHERE id = 2; TRUNCATE shop.orders`)
	st.Await(t, 6)
	awaitCursor(t, db, "(SELECT count(*) FROM gateway.outbox) = 0")
	if _, err := writer.Exec(testenv.Context(t), `SELECT FROM gateway.outbox`); err == nil || !strings.Contains(err.Error(), "permission denied for schema gateway") {
		t.Errorf("the writer reads the outbox: %v", err)
	}
	l.Resign()
	for _, f := range st.source.Probe(testenv.Context(t)) {
		if f.Level == plugin.Problem {
			t.Errorf("check --live: %+v", f)
		}
	}
	st.Stop()
	if len(st.Errs) > 0 {
		t.Errorf("a run has failed: %v", <-st.Errs)
	}
	sourcetest.Exec(t, db, `DROP SCHEMA shop CASCADE; DROP SCHEMA gateway CASCADE; DROP OWNED BY shop, writer, reader; DROP ROLE shop, writer, reader`)
}
