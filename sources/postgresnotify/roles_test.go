package postgresnotify

import (
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestLeastRights: the owner of the table installs, a role writes that may only write, and a reader listens, leads and fetches
// with what `gateway sql --role` has given it. Nobody has what PUBLIC has by default.
func TestLeastRights(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, testenv.RoleSQL("shop")+testenv.RoleSQL("writer")+testenv.RoleSQL("reader")+`DROP SCHEMA IF EXISTS gateway CASCADE; DROP SCHEMA IF EXISTS shop CASCADE`)
	testenv.RevokePublic(t)
	exec(t, db, `GRANT CONNECT, CREATE ON DATABASE postgres TO shop; GRANT CONNECT ON DATABASE postgres TO writer`)
	shop := testenv.ConnectAs(t, "shop")
	orders := pgtrigger.Notify{Table: pgtrigger.Table{Schema: "shop", Name: "orders"}, Channel: "rights", Field: "order"} // no other test has this channel
	exec(t, shop, `CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, note text);`+orders.CreateSQL()+`
		GRANT USAGE ON SCHEMA shop TO writer; GRANT INSERT, SELECT, UPDATE ON shop.orders TO writer`)
	exec(t, shop, pgtrigger.LeaderSQL())
	for _, mode := range []string{"notify", "leader"} {
		sql, err := pgtrigger.RoleSQL(mode, "reader", []pgtrigger.Table{orders.Table})
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, sql)
	}
	exec(t, db, `ALTER ROLE reader CONNECTION LIMIT 4`) // as the README has it
	s := newTestSource(t, func(o *Options) {
		o.URL, o.Owners, o.Channels = options.NewURL(testenv.RoleURL(t, "reader")), []string{"shop"}, []string{"rights"}
	})
	for _, f := range s.Probe(testenv.Context(t)) {
		if f.Level != plugin.OK {
			t.Errorf("check --live: %+v", f)
		}
	}
	next := startRun(t, s)
	l, err := s.Campaign(testenv.Context(t), "orders", 0, func(string) { t.Error("it stands by") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Resign()
	writer := testenv.ConnectAs(t, "writer")
	exec(t, writer, `INSERT INTO shop.orders VALUES (1, 'small'); UPDATE shop.orders SET note = repeat('x', 9000)`)
	if got := next(); !strings.Contains(got, `"small"`) {
		t.Errorf("got %.200s", got)
	}
	if got := next(); !strings.Contains(got, "xxxx") || strings.Contains(got, fetchField) {
		t.Errorf("got %.200s", got)
	}
	t.Cleanup(func() {
		exec(t, testenv.Connect(t), `DROP SCHEMA shop CASCADE; DROP SCHEMA gateway CASCADE; DROP OWNED BY shop, writer, reader; DROP ROLE shop, writer, reader`)
	})
}
