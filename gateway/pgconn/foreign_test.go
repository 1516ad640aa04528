package pgconn_test

import (
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

// TestNothingIsLeftInTheSession by the code of a table's owner: no prepared statement, no lock,
// no setting, which would meet the next query of the reader.
func TestNothingIsLeftInTheSession(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `DROP SCHEMA IF EXISTS mallory CASCADE; CREATE SCHEMA mallory AUTHORIZATION mallory; SET SESSION AUTHORIZATION mallory;
		CREATE FUNCTION mallory.leave() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE 'DEALLOCATE ALL'; EXECUTE 'PREPARE left_behind AS SELECT 1'; PERFORM pg_advisory_lock(77); PERFORM set_config('search_path', 'mallory', false); PERFORM set_config('statement_timeout', '1', false);
			RETURN current_user; END $$;
		CREATE TYPE mallory.evil AS ENUM ('a'); CREATE FUNCTION mallory.j(mallory.evil) RETURNS json LANGUAGE sql AS 'SELECT to_json(mallory.leave())'; CREATE CAST (mallory.evil AS json) WITH FUNCTION mallory.j(mallory.evil);
		CREATE TABLE mallory.t (e mallory.evil); INSERT INTO mallory.t VALUES ('a'); RESET SESSION AUTHORIZATION;
		DROP TABLE IF EXISTS public.own; CREATE TABLE public.own (id int); INSERT INTO public.own VALUES (1)`)
	config, err := pgconn.Config(options.NewURL(testenv.Postgres(t).URL()), "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &pgconn.RowReader{Config: config, Timeout: 5 * time.Second}
	defer r.Close()
	read := func(table, sql string) string {
		t.Helper()
		g, err := r.Begin(testenv.Context(t), table, "", sql)
		if err != nil {
			t.Fatal(err)
		}
		defer g.End(testenv.Context(t))
		rows, err := g.Query(testenv.Context(t), nil)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v, %v", rows, err)
		}
		return string(rows[0].Data)
	}
	for range 2 {
		if got := read("mallory.t", "SELECT ARRAY[]::text[], row_to_json(r.*)::text, false FROM mallory.t r"); got != `{"e":"mallory"}` {
			t.Errorf("got %s", got)
		}
		if got := read("public.own", `SELECT ARRAY[]::text[], (SELECT count(*) FROM pg_prepared_statements) || ' ' || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) || ' ' || current_setting('search_path') || ' ' || current_setting('statement_timeout'), false FROM public.own`); got != "0 0 pg_catalog, pg_temp 5s" {
			t.Errorf("left behind: %s", got)
		}
	}
}

// TestPartitionsOfOthers are not read either: the owner of a partition runs code as the owner of
// the whole does.
func TestPartitionsOfOthers(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `DROP TABLE IF EXISTS parts; CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1); ALTER TABLE part1 OWNER TO mallory`)
	err := pgconn.MayRead(testenv.Context(t), db, "public.parts", []string{"gateway"})
	if err == nil || !strings.Contains(err.Error(), `the owner "mallory" of a partition could run code with the rights of "postgres"`) {
		t.Errorf("error %v", err)
	}
	if err := pgconn.MayRead(testenv.Context(t), db, "public.parts", []string{"mallory"}); err != nil {
		t.Error(err)
	}
	exec(t, db, `DROP TABLE parts`)
}
