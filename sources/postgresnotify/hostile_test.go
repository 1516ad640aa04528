package postgresnotify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

const channel = "hostile"

// listening is a source that runs until the test ends; next returns the next payload.
func startListening(t *testing.T, set func(*Options)) (next func() string) {
	t.Helper()
	return startRun(t, newTestSource(t, set))
}

func newTestSource(t *testing.T, set func(*Options)) *source {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.URL, o.Channels = options.NewURL(testenv.Postgres(t).URL()), []string{channel}
	if set != nil {
		set(o)
	}
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*source)
}

// runs runs a source until the test ends.
func startRun(t *testing.T, s *source) (next func() string) {
	t.Helper()
	out := collect{ready: make(chan struct{}), payloads: make(chan string, 2000)}
	ctx, cancel := context.WithCancel(t.Context())
	var failed error
	done := make(chan struct{})
	go func() { defer close(done); failed = s.Run(ctx, out) }()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-out.ready:
	case <-done:
		t.Fatal(failed)
	}
	return func() string {
		t.Helper()
		select {
		case p := <-out.payloads:
			return p
		case <-time.After(testenv.Wait):
			t.Fatal("no event")
			return ""
		}
	}
}

func exec(t *testing.T, db *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql, args...); err != nil {
		t.Fatalf("%v: %.300s", err, sql)
	}
}

// role makes a role anew, with a schema of its own.
func role(name string) string {
	return testenv.RoleSQL(name) + fmt.Sprintf(`CREATE SCHEMA %[1]s AUTHORIZATION %[1]s;`, name)
}

func trigger(schema, table string) string {
	return pgtrigger.Notify{Table: pgtrigger.Table{Schema: schema, Name: table}, Channel: channel, Field: "order"}.CreateSQL()
}

// spy returns the role that it runs as, after it has tried to become another one. evil makes
// a row call it when it becomes JSON.
const evil = `CREATE FUNCTION mallory.spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
	RETURN current_user;
END $$;
CREATE TYPE mallory.evil AS ENUM ('a');
CREATE FUNCTION mallory.evil_json(mallory.evil) RETURNS json LANGUAGE sql AS $$ SELECT to_json(mallory.spy()) $$;
CREATE CAST (mallory.evil AS json) WITH FUNCTION mallory.evil_json(mallory.evil);
CREATE TABLE mallory.t (id int PRIMARY KEY, e mallory.evil, note text);
INSERT INTO mallory.t VALUES (1, 'a', 'x');`

func forged(table string, id int) string {
	return fmt.Sprintf(`{"operation":"INSERT","order":{"id":%d},%q:%q}`, id, fetchField, table)
}

// TestForgedNotificationsReadNoTable proves that a notification of any role, with a trigger function of
// its own, causes no other table to be read.
func TestForgedNotificationsReadNoTable(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, role("mallory")+`DROP TABLE IF EXISTS honest; CREATE TABLE honest (id int PRIMARY KEY, note text); INSERT INTO honest VALUES (1, 'kept');`+trigger("public", "honest"))
	m := testenv.ConnectAs(t, "mallory")
	exec(t, m, evil+`CREATE FUNCTION mallory.gateway_notify() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER gateway_notify AFTER INSERT ON mallory.t FOR EACH ROW EXECUTE FUNCTION mallory.gateway_notify('hostile', 'order')`)
	if _, err := m.Exec(testenv.Context(t), `CREATE TRIGGER g AFTER INSERT ON mallory.t FOR EACH ROW EXECUTE FUNCTION public.gateway_notify('hostile', 'order')`); err == nil {
		t.Error("mallory may use the trigger function of others")
	}
	// A function in a schema of the search path that fits a call better than PostgreSQL's own.
	exec(t, db, `GRANT CREATE ON SCHEMA public TO mallory`)
	exec(t, m, `CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; RETURN 'x.y'; END $$`)
	t.Cleanup(func() {
		var super bool
		if err := db.QueryRow(context.Background(), `SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = 'mallory'`).Scan(&super); err != nil || super {
			t.Errorf("mallory is a superuser: %v, %v", super, err)
		}
		if _, err := db.Exec(context.Background(), `DROP OWNED BY mallory CASCADE; DROP ROLE mallory`); err != nil {
			t.Error(err)
		}
	})
	next := startListening(t, func(o *Options) { o.Owners = nil })
	for _, payload := range []string{
		forged("mallory.t", 1), forged("pg_catalog.pg_authid", 1), forged(`"no table`, 1), forged("x; DROP TABLE honest", 1),
		strings.Replace(forged("public.honest", 1), `"order"`, `"other"`, 1), // its trigger has another field
	} {
		testenv.Notify(t, db, channel, payload)
		if got := next(); got != payload {
			t.Errorf("%s gives %s", payload, got)
		}
	}
	// An honest table can be named by a forged mark: then its row comes as it is.
	testenv.Notify(t, db, channel, forged("public.honest", 1))
	if got, want := next(), `{"operation" : "INSERT", "order" : {"id":1,"note":"kept"}}`; got != want {
		t.Errorf("got %s", got)
	}
}

// TestFetchRunsTableOwnersCodeAsOwner proves that a superuser fetches rows of another role's table with
// the rights of its owner.
func TestFetchRunsTableOwnersCodeAsOwner(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, role("mallory"))
	m := testenv.ConnectAs(t, "mallory")
	exec(t, m, evil)
	exec(t, db, trigger("mallory", "t"))
	next := startListening(t, nil)
	exec(t, m, `INSERT INTO mallory.t VALUES (2, 'a', repeat('x', 9000))`)
	var got struct{ Order struct{ E, Note string } }
	if p := next(); json.Unmarshal([]byte(p), &got) != nil || got.Order.E != "mallory" || len(got.Order.Note) != 9000 {
		t.Errorf("got %.300s", p)
	}
	var super bool
	if err := db.QueryRow(testenv.Context(t), `SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'`).Scan(&super); err != nil || super {
		t.Errorf("mallory is a superuser: %v, %v", super, err)
	}
}

// TestFetchRefusesUntrustedOwners proves that a role without superuser rights fetches from no table of
// an untrusted owner.
func TestFetchRefusesUntrustedOwners(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, role("shop")+role("reader")+`GRANT USAGE ON SCHEMA shop TO reader`)
	shop := testenv.ConnectAs(t, "shop")
	exec(t, shop, `CREATE TABLE shop.orders (id int PRIMARY KEY, note text);`+trigger("shop", "orders")+`GRANT SELECT ON shop.orders TO reader`)
	asReader := func(o *Options) { o.URL = options.NewURL(testenv.RoleURL(t, "reader")) }
	for name, c := range map[string]struct {
		set   func(*Options)
		whole bool
	}{
		"not trusted":   {asReader, false},
		"trusted":       {func(o *Options) { asReader(o); o.Owners = []string{"shop"} }, true},
		"in tables":     {func(o *Options) { asReader(o); o.Owners, o.Tables = []string{"shop"}, []string{"shop.orders"} }, true},
		"not in tables": {func(o *Options) { asReader(o); o.Owners, o.Tables = []string{"shop"}, []string{"orders"} }, false},
	} {
		next := startListening(t, c.set)
		exec(t, shop, `DELETE FROM shop.orders; INSERT INTO shop.orders VALUES (1, repeat('x', 9000))`)
		for {
			p := next()
			if strings.Contains(p, `"DELETE"`) {
				continue
			}
			if whole := !strings.Contains(p, fetchField) && strings.Contains(p, "xxx"); whole != c.whole {
				t.Errorf("%s: %.200s", name, p)
			}
			break
		}
	}
}

// TestOldAndForeignTriggerFunctions proves that check --live reports old and untrusted trigger
// functions.
func TestOldAndForeignTriggerFunctions(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, role("shop")+role("reader"))
	exec(t, testenv.ConnectAs(t, "shop"), `CREATE TABLE shop.orders (id int PRIMARY KEY);`+strings.ReplaceAll(trigger("shop", "orders"), "eventgateway sql version", "none"))
	o := Type().Defaults().(*Options)
	o.URL, o.Channels = options.NewURL(testenv.RoleURL(t, "reader")), []string{channel}
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, f := range s.(*source).Probe(testenv.Context(t)) {
		got += fmt.Sprintf("%s: %s -> %s\n", f.Level, f.Text, f.Fix)
	}
	for _, want := range []string{
		"warning: the SQL of shop.gateway_notify is version 1, and this gateway's is version 5: bring it up to date with gateway sql --migrate --apply, as its owner shop -> gateway sql --migrate --apply",
		"warning: rows over 7,999 bytes of shop.orders are not fetched: the function shop.gateway_notify belongs to the role shop -> owners: [shop] if you trust this role",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %s\ngot\n%s", want, got)
		}
	}
}
