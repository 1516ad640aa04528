package app

import (
	"os"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestSQLOfTheWAL proves that `gateway sql --mode wal` publishes tables, makes a slot, lists both, and stops publishing, also behind a
// pooler of transactions.
func TestSQLOfTheWAL(t *testing.T) {
	t.Run("server", func(t *testing.T) { testSQLOfTheWAL(t, testenv.Postgres(t).URL()) })
	t.Run("pooler", func(t *testing.T) {
		testSQLOfTheWAL(t, testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "transaction", PoolSize: 1}).URL())
	})
}

func testSQLOfTheWAL(t *testing.T, url string) {
	db := testenv.Connect(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	const clean = `DROP SCHEMA IF EXISTS gateway CASCADE; DROP TABLE IF EXISTS orders, items; DROP PUBLICATION IF EXISTS gateway; DROP PUBLICATION IF EXISTS shop;
		SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'sql_test'; DO $$ BEGIN DROP OWNED BY courier; DROP ROLE courier; EXCEPTION WHEN undefined_object THEN NULL; END $$;`
	exec(clean + `CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE items (id int PRIMARY KEY)`)
	t.Cleanup(func() { exec(clean) })
	sql := func(want string, args ...string) {
		t.Helper()
		out, err := commandLine(t, map[string]string{"DATABASE_URL": url}, append([]string{"sql"}, args...)...)
		if err != nil {
			out += "error: " + err.Error()
		}
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("sql %v: want %s in\n%s", args, want, out)
		}
	}
	wal := func(want string, args ...string) {
		t.Helper()
		sql(want, append([]string{"--mode", "wal", "--table", "orders"}, args...)...)
	}
	wal(`error: --identity: unknown identity "ful" (did you mean "full"?)`, "--identity", "ful")
	wal(`error: --slot: a slot's name has 1 to 63`, "--slot", "Orders")
	wal(`error: --slot makes a slot`, "--slot", "orders", "--drop")
	sql(`error: --slot is for --mode wal`, "--table", "orders", "--slot", "orders")
	wal(`ALTER PUBLICATION "shop" ADD TABLE ONLY "public"."orders"`, "--publication", "shop")
	wal(`COMMIT; -- The slot keeps all WAL from now on`, "--slot", "sql_test")
	for range 2 {
		wal("done at", "--slot", "sql_test", "--apply")
	}
	sql("done at", "--mode", "wal", "--table", "items", "--identity", "default", "--apply")
	sql("PUBLICATION TABLE REPLICA IDENTITY gateway public.items default gateway public.orders full SLOT ACTIVE WAL STATUS RETAINED WAL sql_test false reserved", "--status")
	sql("-- nothing to do at", "--migrate", "--apply")
	wal("done at", "--role", "courier", "--apply")
	wal("keeps REPLICA IDENTITY FULL; where nothing else needs it: ALTER TABLE", "--drop", "--apply")
	sql("the slot sql_test remains, and keeps WAL while nothing reads it: gateway wal drop sql_test done at", "--mode", "wal", "--table", "items", "--drop", "--apply")
	sql("PUBLICATION TABLE REPLICA IDENTITY SLOT ACTIVE", "--status")
}

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
	sql(`gateway.outbox_capture outbox 5 postgres public.orders, shop."Order Items"`, "--status")
	sql("-- nothing to do at", "--migrate", "--apply")
	sql("done at", "--mode", "outbox", "--table", "orders", "--role", "courier", "--apply")
	sql(`mode "outbix"`, "--mode", "outbix", "--table", "orders")
	sql("done at", "--mode", "leader", "--apply")
	exec(`ALTER TABLE gateway.outbox OWNER TO courier`)
	sql(`the table or sequence gateway.outbox belongs to the role "courier", and not to "postgres" (SQLSTATE P0001): Carry this out as courier (SET ROLE)`, "--mode", "outbox", "--table", "orders", "--apply")
}
