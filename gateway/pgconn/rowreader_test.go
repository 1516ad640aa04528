package pgconn_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

// constant makes a query that does not depend on the key.
func constant(sql string) pgconn.BuildQuery {
	return func([]pgconn.KeyColumn, bool) (string, error) { return sql, nil }
}

func find(t *testing.T, g *pgconn.RowTx, args []string) ([]pgconn.Row, error) {
	t.Helper()
	if err := g.Run(testenv.Context(t), args); err != nil {
		return nil, err
	}
	return g.Rows(testenv.Context(t), 0)
}

// TestSessionIsCleanAfterRead proves that the code of a table's owner leaves no prepared statement,
// lock or setting in the session, and that those of the URL are there.
func TestSessionIsCleanAfterRead(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `DROP SCHEMA IF EXISTS mallory CASCADE; CREATE SCHEMA mallory AUTHORIZATION mallory; SET SESSION AUTHORIZATION mallory;
		CREATE FUNCTION mallory.leave() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE 'DEALLOCATE ALL'; EXECUTE 'PREPARE left_behind AS SELECT 1'; PERFORM pg_advisory_lock(77); PERFORM set_config('search_path', 'mallory', false); PERFORM set_config('statement_timeout', '1', false); PERFORM set_config('app.tenant', 'mallory', false);
			RETURN current_user; END $$;
		CREATE TYPE mallory.evil AS ENUM ('a'); CREATE FUNCTION mallory.j(mallory.evil) RETURNS json LANGUAGE sql AS 'SELECT to_json(mallory.leave())'; CREATE CAST (mallory.evil AS json) WITH FUNCTION mallory.j(mallory.evil);
		CREATE TABLE mallory.t (e mallory.evil); INSERT INTO mallory.t VALUES ('a'); RESET SESSION AUTHORIZATION;
		DROP TABLE IF EXISTS public.own; CREATE TABLE public.own (id int); INSERT INTO public.own VALUES (1)`)
	config, err := pgconn.Config(options.NewURL(testenv.Postgres(t).URL()+"&app.tenant=me"), "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &pgconn.RowReader{Config: config, Timeout: 5 * time.Second}
	defer r.Close()
	read := func(table, sql string) string {
		t.Helper()
		g, err := r.Begin(testenv.Context(t), table, "", constant(sql))
		if err != nil {
			t.Fatal(err)
		}
		defer g.End(testenv.Context(t))
		rows, err := find(t, g, nil)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v, %v", rows, err)
		}
		return string(rows[0].Data)
	}
	for range 2 {
		if got := read("mallory.t", "SELECT ARRAY[]::text[], row_to_json(r.*)::text, false FROM mallory.t r"); got != `{"e":"mallory"}` {
			t.Errorf("got %s", got)
		}
		if got := read("public.own", `SELECT ARRAY[]::text[], (SELECT count(*) FROM pg_prepared_statement()) || ' ' || (SELECT count(*) FROM pg_lock_status() WHERE locktype = 'advisory' AND pid = pg_backend_pid()) || ' ' || current_setting('search_path') || ' ' || current_setting('statement_timeout') || ' ' || current_setting('app.tenant'), false FROM public.own`); got != "0 0 pg_catalog, pg_temp 5s me" {
			t.Errorf("left behind: %s", got)
		}
	}
}

// TestUntrustedPartsAreRefused proves that untrusted owners of partitions, types, functions and
// operators are refused.
func TestUntrustedPartsAreRefused(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `DROP SCHEMA IF EXISTS mallory CASCADE; CREATE SCHEMA mallory AUTHORIZATION mallory; GRANT USAGE ON SCHEMA mallory TO PUBLIC; DROP TABLE IF EXISTS parts, typed, indexed, leaf, counted, compared, ranged;
		SET SESSION AUTHORIZATION mallory; CREATE TYPE mallory.color AS ENUM ('red'); CREATE DOMAIN mallory.colors AS mallory.color[]; CREATE TYPE mallory.pair AS (a int, b mallory.colors);
		CREATE FUNCTION mallory.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION mallory.same(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR mallory.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = mallory.same);
		CREATE TYPE mallory.span AS RANGE (SUBTYPE = int, MULTIRANGE_TYPE_NAME = mallory.spans); RESET SESSION AUTHORIZATION;
		CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1); ALTER TABLE part1 OWNER TO mallory;
		CREATE TYPE wrapped AS (p mallory.pair[]); CREATE TABLE typed (id int, w wrapped); CREATE TABLE indexed (id int); CREATE INDEX ON indexed (mallory.f(id));
		CREATE TABLE leaf (id int) PARTITION BY LIST (id); CREATE TABLE leaf1 PARTITION OF leaf FOR VALUES IN (1); CREATE INDEX ON leaf1 (mallory.f(id));
		CREATE TABLE counted (id int, n int); CREATE STATISTICS counts ON (mallory.f(id)), n FROM counted;
		CREATE TABLE compared (id int); CREATE INDEX ON compared ((id OPERATOR(mallory.===) 1)); CREATE TABLE ranged (id int, s mallory.spans)`)
	for _, table := range []string{"parts", "typed", "indexed", "leaf", "counted", "compared", "ranged"} {
		var oid uint32
		if err := db.QueryRow(testenv.Context(t), "SELECT $1::text::regclass::oid", table).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		err := pgconn.CheckRowsReadable(testenv.Context(t), db, oid, []string{"gateway"})
		if err == nil || !strings.Contains(err.Error(), `the role "mallory", which owns a partition, a type, a function or an operator of it, could run code with the rights of "postgres"`) {
			t.Errorf("%s: error %v", table, err)
		}
		if err := pgconn.CheckRowsReadable(testenv.Context(t), db, oid, []string{"mallory"}); err != nil {
			t.Error(err)
		}
	}
	exec(t, db, `DROP TABLE parts, typed, indexed, leaf, counted, compared, ranged; DROP TYPE wrapped; DROP SCHEMA mallory CASCADE`)
}

// TestRenamedSchemaDuringCheck proves that no other table is read if a schema is renamed between the
// check of the owner and the read.
func TestRenamedSchemaDuringCheck(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `DROP SCHEMA IF EXISTS m1 CASCADE; DROP SCHEMA IF EXISTS m2 CASCADE; CREATE SCHEMA m1 AUTHORIZATION mallory; CREATE SCHEMA m2 AUTHORIZATION mallory; GRANT USAGE ON SCHEMA m1, m2 TO PUBLIC;
		CREATE TABLE m1.t (id int); INSERT INTO m1.t VALUES (1); CREATE TABLE m2.t (id int); INSERT INTO m2.t VALUES (2); ALTER TABLE m2.t OWNER TO mallory`)
	config, err := pgconn.Config(options.NewURL(testenv.Postgres(t).URL()), "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &pgconn.RowReader{Config: config, Timeout: 5 * time.Second}
	defer r.Close()
	g, err := r.Begin(testenv.Context(t), "m1.t", "", constant("SELECT ARRAY[]::text[], r.id || ' ' || current_user, false FROM m1.t r"))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, `ALTER SCHEMA m1 RENAME TO mx; ALTER SCHEMA m2 RENAME TO m1; ALTER SCHEMA mx RENAME TO m2`)
	rows, err := find(t, g, nil)
	if err != nil || len(rows) != 1 || string(rows[0].Data) != "1 postgres" {
		t.Errorf("read %v, %v", rows, err)
	}
	g.End(testenv.Context(t))

	// Between the look at the key and the making of the query.
	_, err = r.Begin(testenv.Context(t), "m2.t", "", func([]pgconn.KeyColumn, bool) (string, error) {
		exec(t, db, `ALTER SCHEMA m1 RENAME TO mx; ALTER SCHEMA m2 RENAME TO m1; ALTER SCHEMA mx RENAME TO m2`)
		return "SELECT ARRAY[]::text[], r.id::text, false FROM m2.t r", nil
	})
	if !errors.Is(err, pgconn.ErrChanged) {
		t.Errorf("another table under the name: error %v", err)
	}
	exec(t, db, `DROP SCHEMA m1 CASCADE; DROP SCHEMA m2 CASCADE`)
}

// TestReplacedNamesInQuery proves that an operator or type that is replaced during the check is not
// used.
func TestReplacedNamesInQuery(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `DROP SCHEMA IF EXISTS mallory CASCADE; CREATE SCHEMA mallory AUTHORIZATION mallory; GRANT USAGE ON SCHEMA mallory TO PUBLIC; DROP TABLE IF EXISTS public.own; CREATE TABLE public.own (id int);
		SET SESSION AUTHORIZATION mallory; CREATE FUNCTION mallory.same(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'it ran'; END $$;
		CREATE OPERATOR mallory.= (LEFTARG = int, RIGHTARG = int, FUNCTION = mallory.same); CREATE DOMAIN mallory.code AS int CHECK (mallory.same(VALUE, 1)); RESET SESSION AUTHORIZATION; INSERT INTO public.own VALUES (1)`)
	config, err := pgconn.Config(options.NewURL(testenv.Postgres(t).URL()), "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &pgconn.RowReader{Config: config, Timeout: 5 * time.Second}
	defer r.Close()
	for _, where := range []string{"r.id OPERATOR(mallory.=) 1", "r.id = (args)[1]::mallory.code"} {
		g, err := r.Begin(testenv.Context(t), "public.own", "", constant("SELECT ARRAY[]::text[], r.id::text, false FROM public.own r WHERE "+where))
		if err == nil {
			g.End(testenv.Context(t))
		}
		if err == nil || !strings.Contains(err.Error(), `the role "mallory", which owns a partition, a type, a function or an operator of it`) {
			t.Errorf("%s: error %v", where, err)
		}
	}
	exec(t, db, `DROP TABLE public.own; DROP SCHEMA mallory CASCADE`)
}

// TestHangingCodeIsTerminated proves that code that catches a cancellation leaves no session behind.
func TestHangingCodeIsTerminated(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `DROP SCHEMA IF EXISTS mallory CASCADE; CREATE SCHEMA mallory AUTHORIZATION mallory; GRANT USAGE ON SCHEMA mallory TO PUBLIC; SET SESSION AUTHORIZATION mallory;
		CREATE FUNCTION mallory.hang() RETURNS text LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
		CREATE TYPE mallory.evil AS ENUM ('a'); CREATE FUNCTION mallory.j(mallory.evil) RETURNS json LANGUAGE sql AS 'SELECT to_json(mallory.hang())'; CREATE CAST (mallory.evil AS json) WITH FUNCTION mallory.j(mallory.evil);
		CREATE TABLE mallory.t (e mallory.evil); INSERT INTO mallory.t VALUES ('a'); RESET SESSION AUTHORIZATION`)
	for _, url := range []string{testenv.Postgres(t).URL(), testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"}).URL()} {
		config, err := pgconn.Config(options.NewURL(url), "hanging")
		if err != nil {
			t.Fatal(err)
		}
		r := &pgconn.RowReader{Config: config, Timeout: time.Second}
		g, err := r.Begin(testenv.Context(t), "mallory.t", "", constant("SELECT ARRAY[]::text[], row_to_json(r.*)::text, false FROM mallory.t r"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		if err := g.Run(ctx, nil); err == nil {
			t.Fatal("it does not hang")
		}
		cancel()
		g.End(testenv.Context(t))
		r.Close()
		testenv.WaitForSQL(t, db, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'eventgateway hanging'")
	}
	exec(t, db, `DROP SCHEMA mallory CASCADE`)
}
