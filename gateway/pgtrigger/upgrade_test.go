package pgtrigger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const shopTables = `DROP SCHEMA IF EXISTS gateway CASCADE; DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE SCHEMA shop;
	CREATE TABLE orders (id int PRIMARY KEY, note text); CREATE TABLE shop."Order Items" (id int PRIMARY KEY, note text);`

func exec(t *testing.T, db *pgx.Conn, sql string) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql); err != nil {
		t.Fatalf("%v: %.300s", err, sql)
	}
}

func text(t *testing.T, db *pgx.Conn, query string) (s string) {
	t.Helper()
	if err := db.QueryRow(testenv.Context(t), query).Scan(&s); err != nil {
		t.Fatalf("%v: %.300s", err, query)
	}
	return s
}

// catalog is all that the SQL of this package makes: functions with their text, triggers,
// columns and rights.
const catalog = `SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
	SELECT pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') AS line FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'gateway' OR p.proname = 'gateway_notify'
	UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT t.tgisinternal
	UNION ALL SELECT attrelid::regclass || ' ' || attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = to_regnamespace('gateway') AND c.relkind = 'r' AND attnum > 0) x`

// TestUpgradeFromEachPastVersion: what is made of a database with older SQL is what a new
// one has; what waits in the outbox stays, and is followed by what is written afterwards.
func TestUpgradeFromEachPastVersion(t *testing.T) {
	db := testenv.Connect(t)
	items := pgtrigger.Table{Schema: "shop", Name: "Order Items"}
	orders := pgtrigger.Table{Schema: "public", Name: "orders"}
	outbox := pgtrigger.Outbox{Tables: []pgtrigger.Table{orders, items}}.CreateSQL()
	var notify string
	for _, table := range []pgtrigger.Table{orders, items} {
		notify += pgtrigger.Notify{Table: table, Channel: "items_channel", Field: "order"}.CreateSQL()
	}
	files, err := filepath.Glob("testdata/past/*.sql")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			mode, fresh := "outbox", outbox
			if strings.HasPrefix(filepath.Base(file), "notify") {
				mode, fresh = "notify", notify
			}
			exec(t, db, shopTables+fresh)
			want := text(t, db, catalog)

			exec(t, db, shopTables+string(old))
			exec(t, db, `INSERT INTO orders VALUES (1, 'before'); INSERT INTO shop."Order Items" VALUES (1, 'before')`)
			found, err := pgtrigger.FindInstalled(testenv.Context(t), db)
			if err != nil || len(found) == 0 || found[0].Mode != mode || !found[0].Older() || found[0].VersionError() == nil {
				t.Fatalf("found %+v, %v", found, err)
			}
			sql, _, err := pgtrigger.MigrateSQL(found, "postgres")
			if err != nil {
				t.Fatal(err)
			}
			if sql, foreign, err := pgtrigger.MigrateSQL(found, "another"); sql != "" || len(foreign) != len(found) || err != nil {
				t.Errorf("by another role: %q, %d foreign, %v", sql, len(foreign), err)
			}
			exec(t, db, sql)
			if got := text(t, db, catalog); got != want {
				t.Errorf("after the upgrade:\n%s\nwant\n%s", got, want)
			}
			found, err = pgtrigger.FindInstalled(testenv.Context(t), db)
			if err != nil || found[0].VersionError() != nil || len(found[0].Tables) == 0 {
				t.Errorf("found %+v, %v", found, err)
			}
			if sql, _, err := pgtrigger.MigrateSQL(found, "postgres"); sql != "" || err != nil {
				t.Errorf("once more: %q, %v", sql, err)
			}
			exec(t, db, `UPDATE shop."Order Items" SET note = 'after'; DELETE FROM orders; TRUNCATE orders`)
			if mode == "outbox" {
				if got, want := text(t, db, `SELECT string_agg(op::text || ' ' || tbl || ' ' || coalesce((coalesce(new, old))->>'note', ''), '; ' ORDER BY id) FROM gateway.outbox`),
					"I public.orders before; I shop.Order Items before; U shop.Order Items after; D public.orders before; T public.orders "; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

// TestNewerVersionIsRefused proves that a gateway refuses SQL of a newer version.
func TestNewerVersionIsRefused(t *testing.T) {
	db := testenv.Connect(t)
	newer := strings.ReplaceAll(pgtrigger.Outbox{}.CreateSQL(), fmt.Sprintf("eventgateway sql version %d", pgtrigger.Version), "eventgateway sql version 99")
	exec(t, db, shopTables+newer)
	found, err := pgtrigger.FindInstalled(testenv.Context(t), db)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = pgtrigger.MigrateSQL(found, "postgres")
	if want := fmt.Sprintf("the SQL of gateway.outbox_capture is version 99, and this gateway knows version %d: install a newer gateway", pgtrigger.Version); err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
}

// TestRolesSQL: the role that --role makes has what it needs, and can be made again.
func TestRoleSQL(t *testing.T) {
	db := testenv.Connect(t)
	tables := []pgtrigger.Table{{Schema: "shop", Name: "Order Items"}}
	exec(t, db, shopTables+pgtrigger.Outbox{Tables: tables}.CreateSQL())
	exec(t, db, pgtrigger.WAL{Publication: "gateway"}.CreateSQL())
	for _, mode := range []string{"notify", "outbox", "leader", "wal", "outbox"} {
		sql, err := pgtrigger.RoleSQL(mode, `the "reader"`, tables)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, sql)
	}
	if _, err := pgtrigger.RoleSQL("outbix", "x", nil); err == nil || !strings.Contains(err.Error(), `did you mean "outbox"?`) {
		t.Errorf("error %v", err)
	}
	exec(t, db, `DROP OWNED BY "the ""reader"""; DROP ROLE "the ""reader"""`)
}

// TestUpgradeKeepsHowTriggersAreEnabled: ENABLE ALWAYS captures what replication applies.
func TestUpgradeKeepsHowTriggersAreEnabled(t *testing.T) {
	db := testenv.Connect(t)
	old, err := os.ReadFile("testdata/past/outbox-4.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, shopTables+string(old)+`ALTER TABLE orders ENABLE ALWAYS TRIGGER "!gateway_outbox"; ALTER TABLE shop."Order Items" DISABLE TRIGGER "!gateway_outbox"`)
	exec(t, db, pgtrigger.Outbox{}.CreateSQL())
	if got, want := text(t, db, `SELECT string_agg(tgrelid::regclass || ' ' || tgenabled::text, '; ' ORDER BY tgrelid::regclass::text, tgname) FROM pg_trigger WHERE tgname LIKE '!gateway%'`),
		`orders A; orders A; orders A; shop."Order Items" D; shop."Order Items" D; shop."Order Items" D`; got != want {
		t.Errorf("got %s", got)
	}
	exec(t, db, `SET session_replication_role = replica; INSERT INTO orders VALUES (1, 'replicated'); RESET session_replication_role`)
	if got := text(t, db, `SELECT new->>'note' FROM gateway.outbox`); got != "replicated" {
		t.Errorf("captured %s", got)
	}
}

// TestUpgradeGivesWay to a writer that has locked a table, and does not make it fail.
func TestUpgradeGivesWay(t *testing.T) {
	db, writer := testenv.Connect(t), testenv.Connect(t)
	old, err := os.ReadFile("testdata/past/outbox-4.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, shopTables+string(old))
	exec(t, writer, `BEGIN; INSERT INTO shop."Order Items" VALUES (1, 'x')`)
	if _, err := db.Exec(testenv.Context(t), pgtrigger.Outbox{}.CreateSQL()); err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Errorf("error %v", err)
	}
	exec(t, writer, `INSERT INTO orders VALUES (1, 'x'); COMMIT`)
	exec(t, db, pgtrigger.Outbox{}.CreateSQL())
}

// TestNamesStayNames, whatever they contain.
func TestNamesStayNames(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, `DO $$ BEGIN DROP OWNED BY mallory CASCADE; DROP ROLE mallory; EXCEPTION WHEN undefined_object THEN NULL; END $$; CREATE ROLE mallory`)
	for _, name := range []string{"$eventgateway_do$;ALTER ROLE mallory SUPERUSER;--", "$gateway$;ALTER ROLE mallory SUPERUSER;--", `a\`, `a'b`, "SQL_VERSION", "FUNCTION_NAME", "OWNER_CHECK", "%s%d"} {
		for _, standard := range []string{"on", "off"} {
			exec(t, db, shopTables+`SET standard_conforming_strings = on; DROP SCHEMA IF EXISTS `+pgx.Identifier{name}.Sanitize()+` CASCADE; CREATE SCHEMA `+pgx.Identifier{name}.Sanitize()+`; CREATE TABLE `+pgx.Identifier{name, name}.Sanitize()+` (id int PRIMARY KEY)`)
			table := pgtrigger.Table{Schema: name, Name: name}
			outbox, notify := pgtrigger.Outbox{Tables: []pgtrigger.Table{table}}, pgtrigger.Notify{Table: table, Channel: "c", Field: "order"}
			exec(t, db, "SET standard_conforming_strings = "+standard)
			exec(t, db, outbox.CreateSQL())
			exec(t, db, notify.CreateSQL())
			wal := pgtrigger.WAL{Tables: []pgtrigger.Table{table}, Publication: name}
			exec(t, db, wal.CreateSQL())
			exec(t, db, `INSERT INTO `+table.String()+` VALUES (1); UPDATE `+table.String()+` SET id = 1`)
			exec(t, db, wal.DropSQL())
			exec(t, db, notify.DropSQL()+outbox.DropSQL())
			role, err := pgtrigger.RoleSQL("notify", name, []pgtrigger.Table{table})
			if err != nil {
				t.Fatal(err)
			}
			exec(t, db, role)
			exec(t, db, "SET standard_conforming_strings = on; DROP OWNED BY "+pgx.Identifier{name}.Sanitize()+"; DROP ROLE "+pgx.Identifier{name}.Sanitize())
			if got := text(t, db, `SELECT tbl FROM gateway.outbox`); got != name+"."+name {
				t.Errorf("captured as %q", got)
			}
			exec(t, db, `DROP SCHEMA `+pgx.Identifier{name}.Sanitize()+` CASCADE`)
		}
	}
	if super := text(t, db, `SELECT rolsuper::text FROM pg_roles WHERE rolname = 'mallory'`); super != "false" {
		t.Error("mallory is a superuser")
	}
}

// TestFunctionsOfOthers are not taken over: their owner could change what runs with all
// writers' rights.
func TestFunctionsOfOthers(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, shopTables+`DO $$ BEGIN DROP OWNED BY mallory CASCADE; DROP ROLE mallory; EXCEPTION WHEN undefined_object THEN NULL; END $$; CREATE ROLE mallory;
		CREATE FUNCTION public.gateway_notify() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; ALTER FUNCTION public.gateway_notify() OWNER TO mallory`)
	orders := pgtrigger.Notify{Table: pgtrigger.Table{Schema: "public", Name: "orders"}, Channel: "c", Field: "order"}
	if _, err := db.Exec(testenv.Context(t), orders.CreateSQL()); err == nil || !strings.Contains(err.Error(), `the function "public"."gateway_notify" belongs to the role "mallory", and not to "postgres"`) {
		t.Errorf("error %v", err)
	}
	exec(t, db, `CREATE SCHEMA mallory AUTHORIZATION mallory; CREATE FUNCTION mallory.gateway_notify() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN /* eventgateway sql version 999999999 */ RETURN NULL; END'; ALTER FUNCTION mallory.gateway_notify() OWNER TO mallory`)
	found, err := pgtrigger.FindInstalled(testenv.Context(t), db)
	if err != nil {
		t.Fatal(err)
	}
	if sql, foreign, err := pgtrigger.MigrateSQL(found, "postgres"); sql != "" || len(foreign) != 1 || err != nil {
		t.Errorf("%q, %+v, %v", sql, foreign, err)
	}
	exec(t, db, `DROP OWNED BY mallory CASCADE; DROP ROLE mallory`)
}

// TestPartitionExpressionsOfOthers run no code with the rights of the role that makes a trigger.
func TestPartitionExpressionsOfOthers(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, `DO $$ BEGIN DROP OWNED BY mallory CASCADE; DROP ROLE mallory; EXCEPTION WHEN undefined_object THEN NULL; END $$; CREATE ROLE mallory; CREATE SCHEMA mallory AUTHORIZATION mallory;
		SET ROLE mallory; CREATE TABLE mallory.ran (who text);
		CREATE FUNCTION mallory.note() RETURNS void LANGUAGE sql AS 'INSERT INTO mallory.ran VALUES (current_user)';
		CREATE FUNCTION mallory.f(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM mallory.note(); RETURN 0; END';
		CREATE TABLE mallory.t (id int, part int) PARTITION BY LIST (part); CREATE TABLE mallory.t1 PARTITION OF mallory.t FOR VALUES IN (1) PARTITION BY RANGE ((id + mallory.f(1)));
		CREATE TABLE mallory.t2 PARTITION OF mallory.t1 DEFAULT; DELETE FROM mallory.ran; RESET ROLE`)
	trigger := pgtrigger.Notify{Table: pgtrigger.Table{Schema: "mallory", Name: "t"}, Channel: "c", Field: "order"}
	exec(t, db, `CREATE FUNCTION mallory.gateway_notify() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`)
	for _, sql := range []string{trigger.CreateSQL(), trigger.DropSQL()} {
		if _, err := db.Exec(testenv.Context(t), sql); err == nil || !strings.Contains(err.Error(), `the table mallory.t1 is partitioned by an expression, which could run code of its owner "mallory" with the rights of "postgres"`) {
			t.Errorf("error %v", err)
		}
	}
	if got := text(t, db, `SELECT count(*) FROM mallory.ran WHERE who <> 'mallory'`); got != "0" {
		t.Errorf("it ran %s times", got)
	}
	exec(t, db, `DROP FUNCTION mallory.gateway_notify(); SET ROLE mallory; `+trigger.CreateSQL()+trigger.DropSQL()+`RESET ROLE; DROP OWNED BY mallory CASCADE; DROP ROLE mallory`)
}

// TestReadersMayLead after an upgrade, without another grant.
func TestReadersMayLead(t *testing.T) {
	db := testenv.Connect(t)
	old, err := os.ReadFile("testdata/past/outbox-4.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, shopTables+string(old)+`DO $$ BEGIN DROP OWNED BY "the reader" CASCADE; DROP ROLE "the reader"; EXCEPTION WHEN undefined_object THEN NULL; END $$; CREATE ROLE "the reader"; GRANT SELECT, INSERT, UPDATE ON gateway.outbox_reader TO "the reader"`)
	exec(t, db, pgtrigger.Outbox{}.CreateSQL())
	if got := text(t, db, `SELECT has_table_privilege('the reader', 'gateway.leader', 'UPDATE')::text`); got != "true" {
		t.Error("the reader may not lead")
	}
	if got := text(t, db, `SELECT has_table_privilege('the reader', 'gateway.outbox_detached', 'SELECT')::text || has_table_privilege('the reader', 'gateway.outbox_detached', 'DELETE')`); got != "truetrue" {
		t.Error("the reader may not read whether it is detached")
	}
	exec(t, db, `DROP OWNED BY "the reader"; DROP ROLE "the reader"`)
}
