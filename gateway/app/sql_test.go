package app

import (
	"os"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestSQLStatusMigrateAndRole proves that `gateway sql` lists an older installation, migrates it, and creates a
// role, also behind a pooler of transactions.
func TestSQLStatusMigrateAndRole(t *testing.T) {
	t.Run("server", func(t *testing.T) { testSQL(t, testenv.Postgres(t).URL()) })
	t.Run("pooler", func(t *testing.T) {
		testSQL(t, testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "transaction", PoolSize: 1}).URL())
	})
}

func testSQL(t *testing.T, url string) {
	db := testenv.Connect(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	const clean = `DROP SCHEMA IF EXISTS gateway CASCADE; DROP SCHEMA IF EXISTS shop CASCADE; DROP TABLE IF EXISTS orders; DROP FUNCTION IF EXISTS gateway_notify CASCADE;
		DO $$ BEGIN DROP OWNED BY courier; DROP ROLE courier; EXCEPTION WHEN undefined_object THEN NULL; END $$;`
	exec(clean + `CREATE SCHEMA shop; CREATE TABLE shop."Order Items" (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY)`)
	t.Cleanup(func() { exec(clean) })
	env := map[string]string{"DATABASE_URL": url}
	sql := func(want string, args ...string) {
		t.Helper()
		out, err := commandLine(t, env, append([]string{"sql"}, args...)...)
		if err != nil {
			out += "error: " + err.Error()
		}
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("sql %v: want %s in\n%s", args, want, out)
		}
	}
	var past []string
	for _, file := range []string{"outbox-4.sql", "notify-1.sql"} {
		old, err := os.ReadFile("../pgtrigger/testdata/past/" + file)
		if err != nil {
			t.Fatal(err)
		}
		past = append(past, string(old))
	}
	sql("nothing is installed at", "--status")
	sql("-- nothing to do at", "--migrate")
	sql("give one of them", "--drop", "--role", "x", "--table", "orders")
	sql("DROP TABLE gateway.leader", "--mode", "leader", "--drop", "--apply")
	sql("leave --apply out", "--status", "--apply")
	sql("leave --table out", "--migrate", "--table", "orders")
	exec(strings.Join(past, ""))
	sql(`gateway.outbox_capture outbox 1 (old) postgres public.orders, shop."Order Items"`, "--status")
	sql(`public.gateway_notify notify 1 (old) postgres public.orders`, "--status")
	sql("bring the old ones up to date: gateway sql --migrate --apply", "--status")
	sql(`CREATE OR REPLACE FUNCTION "shop"."gateway_notify"()`, "--migrate")
	sql("done at", "--migrate", "--apply")
	sql(`gateway.outbox_capture outbox 4 postgres public.orders, shop."Order Items"`, "--status")
	sql("-- nothing to do at", "--migrate", "--apply")
	sql("done at", "--mode", "outbox", "--table", "orders", "--role", "courier", "--apply")
	sql(`mode "outbix"`, "--mode", "outbix", "--table", "orders")
	sql("done at", "--mode", "leader", "--apply")
	exec(`ALTER TABLE gateway.outbox OWNER TO courier`)
	sql(`the table or sequence gateway.outbox belongs to the role "courier", and not to "postgres" (SQLSTATE P0001): Carry this out as courier (SET ROLE)`, "--mode", "outbox", "--table", "orders", "--apply")
}
