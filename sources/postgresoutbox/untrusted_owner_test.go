package postgresoutbox

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

var mallory = testenv.RoleSQL("mallory")

// untrustedOwnerSQL creates a role mallory that owns the table items with all code that runs when a row
// is read or written: a cast to json, a domain with a check, a policy, and an index whose expression
// the planner evaluates. Each calls spy, which fails if it has the rights of a superuser, or can regain
// them.
const untrustedOwnerSQL = `
CREATE FUNCTION mallory.spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'SET ROLE postgres'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'SET SESSION AUTHORIZATION DEFAULT'; EXCEPTION WHEN OTHERS THEN NULL; END;
	BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
	RETURN current_user;
END $$;
CREATE FUNCTION mallory.guard(a text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	PERFORM mallory.spy();
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE EXCEPTION 'mallory runs as %', current_user; END IF;
	RETURN true;
END $$;
CREATE TYPE mallory.evil AS ENUM ('a');
CREATE FUNCTION mallory.evil_json(mallory.evil) RETURNS json LANGUAGE sql AS $$ SELECT to_json(mallory.spy()) $$;
CREATE CAST (mallory.evil AS json) WITH FUNCTION mallory.evil_json(mallory.evil);
CREATE DOMAIN mallory.positive AS int CHECK (mallory.guard(VALUE::text) AND VALUE > 0);
CREATE TABLE mallory.items (id mallory.positive PRIMARY KEY, e mallory.evil);
INSERT INTO mallory.items VALUES (1, 'a');
CREATE INDEX ON mallory.items ((mallory.guard('constant')));
CREATE POLICY p ON mallory.items USING (mallory.guard('policy'));
ALTER TABLE mallory.items ENABLE ROW LEVEL SECURITY;`

// resetUntrusted is resetDatabase, with the tables of mallory.
func resetUntrusted(t *testing.T, ddl string) *pgx.Conn {
	t.Helper()
	resetDatabase(t, mallory+`CREATE SCHEMA mallory AUTHORIZATION mallory; GRANT USAGE ON SCHEMA mallory TO PUBLIC;`)
	sourcetest.Exec(t, testenv.ConnectAs(t, "mallory"), untrustedOwnerSQL)
	db := newSession(t)
	sourcetest.Exec(t, db, ddl+outbox(t, "mallory.items").CreateSQL())
	return db
}

func isSuper(t *testing.T, db *pgx.Conn, role string) (super bool) {
	t.Helper()
	if err := db.QueryRow(testenv.Context(t), "SELECT rolsuper FROM pg_roles WHERE rolname = $1", role).Scan(&super); err != nil {
		t.Fatal(err)
	}
	return super
}

// TestTableOwnersCodeRunsAsWriter proves that a cast of a table's owner runs as the role that writes
// the row, and not as the owner of the outbox.
func TestTableOwnersCodeRunsAsWriter(t *testing.T) {
	db := resetUntrusted(t, testenv.RoleSQL("clerk")+`GRANT INSERT, UPDATE, DELETE, SELECT ON mallory.items TO clerk; CREATE POLICY q ON mallory.items TO clerk USING (true) WITH CHECK (true);`)
	st := start(t, asChange, sourcetest.NewCollector())
	for _, role := range []string{"mallory", "clerk"} {
		sourcetest.Exec(t, testenv.ConnectAs(t, role), `INSERT INTO mallory.items VALUES (2, 'a'); UPDATE mallory.items SET id = 3 WHERE id = 2; DELETE FROM mallory.items WHERE id = 3`)
	}
	for i, e := range st.Await(t, 6) {
		c, want := sourcetest.ChangeOf(t, e), []string{"mallory", "clerk"}[i/3]
		for _, row := range []map[string]any{c.Old, c.New} {
			if row != nil && row["e"] != want {
				t.Errorf("%s: the cast ran as %v, want %s", c.Operation, row["e"], want)
			}
		}
	}
	if isSuper(t, db, "mallory") {
		t.Error("mallory is a superuser")
	}
}

// TestSnapshotRunsTableOwnersCodeAsOwner proves that a superuser reads a table of another role with the
// rights of its owner.
func TestSnapshotRunsTableOwnersCodeAsOwner(t *testing.T) {
	db := resetUntrusted(t, "")
	st := start(t, withSnapshot("mallory.items"), sourcetest.NewCollector())
	if c := sourcetest.ChangeOf(t, st.Await(t, 1)[0]); c.New["e"] != "mallory" || c.Operation != "READ" {
		t.Errorf("the cast ran as %v", c.New["e"])
	}
	if isSuper(t, db, "mallory") {
		t.Error("mallory is a superuser")
	}
	sourcetest.Exec(t, testenv.ConnectAs(t, "mallory"), "INSERT INTO mallory.items VALUES (5, 'a')")
	st.Await(t, 2)
}

// TestReaderRefusesUntrustedOwners proves that a role without superuser rights reads no table and no
// outbox of an untrusted role.
func TestReaderRefusesUntrustedOwners(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+testenv.RoleSQL("reader")+testenv.RoleSQL("shop")+`ALTER TABLE items OWNER TO shop; GRANT USAGE ON SCHEMA public TO reader; INSERT INTO items VALUES (7);`, "items")
	rights, err := pgtrigger.RoleSQL("outbox", "reader", outbox(t, "items").Tables)
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, rights)
	asReader := func(o *Options) {
		withSnapshot("items")(o)
		o.URL = options.NewURL(testenv.RoleURL(t, "reader"))
	}
	want := `snapshot: the rows of public.items are not read: its owner "shop" could run code with the rights of "reader"; add the role to the option owners if you trust it`
	if err := newSource(t, asReader).Run(t.Context(), sourcetest.NewCollector()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	trusting := func(o *Options) { asReader(o); o.Owners = []string{"shop"} }
	st := start(t, trusting, sourcetest.NewCollector()) // and with the rights that gateway sql --role grants
	if got := sourcetest.OperationsOf(t, st.Await(t, 1)); got != "R7" {
		t.Errorf("got %s", got)
	}
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (8)")
	st.Await(t, 2)
	awaitCursor(t, db, "hi = 1 AND low = 1 AND (SELECT count(*) = 0 FROM gateway.outbox)")
	st.Stop()

	sourcetest.Exec(t, db, "ALTER TABLE gateway.outbox OWNER TO shop; GRANT USAGE ON SCHEMA gateway TO shop")
	want = `gateway.outbox belongs to the role "shop", whose code would run with the reader's rights: add the role to owners if you trust it`
	if err := newSource(t, asReader).Run(t.Context(), sourcetest.NewCollector()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	if got := probeText(t, asReader); !strings.Contains(got, `WRONG: gateway.outbox belongs to the role "shop"`) {
		t.Errorf("check --live says\n%s", got)
	}
}

// TestUnprivilegedRoleCannotForgeChanges proves that roles with and without the right to write a table
// cannot forge its changes.
func TestUnprivilegedRoleCannotForgeChanges(t *testing.T) {
	resetDatabase(t, sourcetest.ItemsSQL+mallory+`CREATE SCHEMA mallory AUTHORIZATION mallory;
		CREATE TABLE mallory.own (id int PRIMARY KEY); ALTER TABLE mallory.own OWNER TO mallory; GRANT CREATE ON SCHEMA public TO mallory`, "items", "mallory.own")
	st := start(t, asChange, sourcetest.NewCollector())
	m := testenv.ConnectAs(t, "mallory")
	sourcetest.Exec(t, m, "CREATE TABLE mallory.t (id int PRIMARY KEY)")
	for _, sql := range []string{
		`SELECT gateway.outbox_capture()`, `SELECT gateway.outbox_row()`,
		`INSERT INTO gateway.outbox (op, tbl, new) VALUES ('I', 'public.items', '{"id":1}')`,
		`CREATE TRIGGER x AFTER INSERT ON mallory.t FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture('public.items', 'public.items')`,
		`CREATE TRIGGER x AFTER INSERT ON mallory.t FOR EACH ROW EXECUTE FUNCTION gateway.outbox_row()`,
		`UPDATE gateway.outbox_reader SET hi = 1000000`, `DELETE FROM gateway.leader`, `TRUNCATE gateway.outbox`,
	} {
		if _, err := m.Exec(testenv.Context(t), sql); err == nil {
			t.Errorf("mallory may do %s", sql)
		}
	}
	// What a session sets is not taken for a row, and neither are operators and functions of others.
	sourcetest.Exec(t, m, `SET gateway.row = '{"id":666}';
		CREATE FUNCTION mallory.lie(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false'; CREATE OPERATOR mallory.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = mallory.lie); CREATE OPERATOR mallory.= (LEFTARG = text, RIGHTARG = text, FUNCTION = mallory.lie);
		CREATE FUNCTION mallory.row_to_json(record) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RETURN '{"id":666}'::json; END $$; CREATE FUNCTION mallory.set_config(text, text, bool) RETURNS text LANGUAGE sql AS 'SELECT NULL';
		SET search_path = mallory, pg_catalog, public; INSERT INTO mallory.own VALUES (1); DELETE FROM mallory.own`)
	// A renamed table and a new one with its old name are two tables.
	sourcetest.Exec(t, m, `ALTER TABLE mallory.own RENAME TO renamed; INSERT INTO mallory.renamed VALUES (2)`)
	sourcetest.Exec(t, m, `CREATE TABLE mallory.own (id int PRIMARY KEY); INSERT INTO mallory.renamed VALUES (3)`)
	got := ""
	for _, e := range st.Await(t, 4) {
		c := sourcetest.ChangeOf(t, e)
		got += fmt.Sprintf("%s %s %v %v; ", c.Operation, c.Table, c.Old, c.New)
	}
	if want := "INSERT mallory.own map[] map[id:1]; DELETE mallory.own map[id:1] map[]; INSERT mallory.own map[] map[id:2]; INSERT mallory.renamed map[] map[id:3]; "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestChangeWithoutItsRow proves that a change whose JSON trigger is disabled is emitted without a row,
// not with another one, and is reported.
func TestChangeWithoutItsRow(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	out := sourcetest.NewCollector()
	gaps := make(chan string, 10)
	out.OnGap = func(reason string) { gaps <- reason }
	st := start(t, asChange, out)
	sourcetest.Exec(t, db, `BEGIN; INSERT INTO items VALUES (1); ALTER TABLE items DISABLE TRIGGER "!gateway_json"; INSERT INTO items VALUES (2); COMMIT`)
	events := st.Await(t, 2)
	if c := sourcetest.ChangeOf(t, events[1]); c.New != nil || c.Operation != "INSERT" {
		t.Errorf("got %s", events[1].Data)
	}
	const want = "a change of public.items has no row: its trigger !gateway_json is missing or disabled"
	if got := <-gaps; got != want && <-gaps != want { // that the trigger is disabled is one, too
		t.Errorf("gap %q", got)
	}
	if got := probeText(t, func(o *Options) { o.Tables = []string{"items"} }); !strings.Contains(got, "WRONG: nothing captures the changes of public.items") {
		t.Errorf("check --live says\n%s", got)
	}
}

// TestInstallRefusesObjectsOfOtherOwners proves that a role cannot prepare a schema or function that
// later runs with the rights of the role that installs.
func TestInstallRefusesObjectsOfOtherOwners(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL+mallory)
	for name, prepared := range map[string]string{
		`the schema gateway belongs to the role "mallory"`:                   `CREATE SCHEMA gateway AUTHORIZATION mallory`,
		`the table or sequence gateway.leader belongs to the role "mallory"`: `CREATE SCHEMA gateway; CREATE TABLE gateway.leader (name text PRIMARY KEY, holder text, term bigint, expires timestamptz); ALTER TABLE gateway.leader OWNER TO mallory`,
		`the function gateway.outbox_capture belongs to the role "mallory"`:  `CREATE SCHEMA gateway; CREATE FUNCTION gateway.outbox_capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; ALTER FUNCTION gateway.outbox_capture() OWNER TO mallory`,
	} {
		sourcetest.Exec(t, db, `DROP SCHEMA IF EXISTS gateway CASCADE;`+prepared)
		if _, err := db.Exec(testenv.Context(t), outbox(t, "items").CreateSQL()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %s, got %v", name, err)
		}
	}
}

// TestLockHolderIsLogged proves that a role that takes the reader's advisory lock is logged, and that
// changes are delivered nevertheless.
func TestLockHolderIsLogged(t *testing.T) {
	resetDatabase(t, sourcetest.ItemsSQL+mallory, "items")
	m := testenv.ConnectAs(t, "mallory")
	sourcetest.Exec(t, m, "SELECT pg_advisory_lock(26470, 1)")
	var log testenv.Log
	env := plugintest.Env(t)
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	o := Type().Defaults().(*Options)
	o.URL = options.NewURL(testenv.Postgres(t).URL())
	built, err := Type().Build(o, env)
	if err != nil {
		t.Fatal(err)
	}
	s := built.(*source)
	s.lockWarnAfter = 10 * time.Millisecond
	out := sourcetest.NewCollector()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, out) }()
	defer func() { cancel(); <-done }()
	<-out.Connected
	sourcetest.Exec(t, newSession(t), "INSERT INTO items VALUES (1)")
	out.Await(t, 1)
	want := fmt.Sprintf("role=mallory pid=%d", m.PgConn().PID())
	testenv.Eventually(t, testenv.Wait, "logged: "+want, func() bool { return strings.Contains(log.String(), want) }, log.String)
}
