package lookup

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// customers makes the table that the tests read, and returns a session.
func resetCustomers(t *testing.T) *pgx.Conn {
	t.Helper()
	db, err := pgx.Connect(t.Context(), testenv.Postgres(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(context.Background()) })
	_, err = db.Exec(t.Context(), `DROP TABLE IF EXISTS customers; CREATE TABLE customers (id bigint PRIMARY KEY, name text, credit numeric);
		INSERT INTO customers VALUES (7, 'Ada', 100.50), (9007199254740993, 'Big', 1234567890.12345678901234567890), (-1, NULL, NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestConformance(t *testing.T) {
	db := resetCustomers(t)
	url := testenv.Postgres(t).URL()
	with := func(query, more string) string {
		return fmt.Sprintf("url: %s\nquery: %q\ninto: c\n%s", url, query, more)
	}
	const byID, params = "SELECT name, credit FROM customers WHERE id = $1", "params: [id]"
	plugintest.Transform(t, plugintest.TransformHarness{Type: Type(), Cases: []plugintest.TransformCase{
		{Name: "found", Options: with(byID, params), In: `{"id":7 ,"n":1.50}`, Out: []string{`{"id":7 ,"n":1.50,"c":{"name":"Ada","credit":100.50}}`}},
		{Name: "all digits", Options: with(byID+" -- comment", params), In: `{"id":9007199254740993}`, Out: []string{`{"id":9007199254740993,"c":{"name":"Big","credit":1234567890.12345678901234567890}}`}},
		{Name: "parameter as text", Options: with(byID, params), In: `{"id":"7"}`, Out: []string{`{"id":"7","c":{"name":"Ada","credit":100.50}}`}},
		{Name: "nulls", Options: with(byID+";", params), In: `{"id":-1}`, Out: []string{`{"id":-1,"c":{"name":null,"credit":null}}`}},
		{Name: "in its place", Options: with(byID, params), In: `{"c":1,"id":8}`, Out: []string{`{"c":null,"id":8}`}},
		{Name: "null is never equal", Options: with(byID, params), In: `{"id":null}`, Out: []string{`{"id":null,"c":null}`}},
		{Name: "left out", Options: with(byID, params+"\nmissing: drop"), In: `{"id":8}`},
		{Name: "missing is an error", Options: with(byID, params+"\nmissing: error"), In: `{"id":8}`, Error: "there is no row"},
		{Name: "several types", Options: with("SELECT $1::text || $2::int || $3::boolean AS x", "params: [s, id, b]"), In: `{"s":"a","id":7,"b":true}`, Out: []string{`{"s":"a","id":7,"b":true,"c":{"x":"a7true"}}`}},
		{Name: "more digits than a float", Options: with("SELECT $1::numeric AS n", params), In: `{"id":123456789012345678901234567890.10}`, Out: []string{`{"id":123456789012345678901234567890.10,"c":{"n":123456789012345678901234567890.10}}`}},
		{Name: "injection", Options: with("SELECT name FROM customers WHERE name = $1", "params: [s]"), In: `{"s":"' OR true; DROP TABLE customers; --"}`, Out: []string{`{"s":"' OR true; DROP TABLE customers; --","c":null}`}},
		{Name: "not a number", Options: with(byID, params), In: `{"id":"x"}`, Error: "invalid input syntax for type bigint"},
		{Name: "too many rows", Options: with("SELECT name FROM customers", ""), In: `{}`, Error: "more than one row"},
		{Name: "it cannot write", Options: with("DELETE FROM customers RETURNING id", ""), In: `{}`, Error: "syntax error"},
		{Name: "too late", Options: with("SELECT pg_sleep(60)", "timeout: 50ms"), In: `{}`, Error: "timeout"},
		{Name: "wrong parameter", Options: with(byID, "params: [a.b]"), In: `{}`, Error: "params[0]: cannot evaluate"},
		{Name: "away", Options: "url: postgres://127.0.0.1:1/x\nquery: SELECT 1\ninto: c", In: `{}`, Error: "the database 127.0.0.1:1/x: "},
	}, InvalidOptions: map[string]string{
		`{url: "postgres://x/y", query: SELECT 1, into: a.*}`:                     "options:1:48: into: a row needs one field",
		`{url: "mysql://x/y", query: SELECT 1, into: a}`:                          "options:1:7: url: must begin with postgres://",
		`{url: "postgres://x/y", query: "SELECT $2 -- $3", into: a, params: [b]}`: "options:1:68: params: the query has 2 parameters",
		`{url: "postgres://x/y", query: "SELECT '$1'", into: a, params: [b]}`:     "params: the query has 0 parameters",
		`{query: SELECT 1, into: a}`:                                              "url: is required",
		`{url: "postgres://x/y", into: a}`:                                        "query: is required",
		`{url: "postgres://x/y", query: q, into: a, cache: {size: -1}}`:           "cache.size: must be at least 0",
		`{url: "postgres://u:s3cret@x:port/y", query: q, into: a}`:                "options:1:7: url: is not a URL",
		`{url: "postgres://x/y", query: q, into: a, params: ["1 +"]}`:             "params[0]: wrong expression",
		`{url: "postgres://x/y", query: q, into: a, missing: nothing}`:            "missing: unknown value",
	}, Example: func(text string) string { return strings.Replace(text, "url: embedded", "url: "+url, 1) }})
	var n int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM customers").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d customers are left, %v", n, err)
	}
}

// TestCache: rows and misses are asked for once in a ttl; beyond size what was not used
// is asked for again.
func TestCache(t *testing.T) {
	db := resetCustomers(t)
	if _, err := db.Exec(t.Context(), `DROP TABLE IF EXISTS step; CREATE TABLE step (n int); INSERT INTO step VALUES (0)`); err != nil {
		t.Fatal(err)
	}
	env, now := plugintest.Env(t), plugintest.Now()
	env.Now = func() time.Time { return now }
	tr := plugintest.NewTransform(t, Type(), fmt.Sprintf("{url: %q, into: c, params: [id], query: \"SELECT n FROM step, (SELECT $1::int AS id) x WHERE id > 0 OR n = 6\", cache: {size: 2, ttl: 1m}}",
		testenv.Postgres(t).URL()), env)
	for i, step := range []struct {
		after time.Duration
		id    int
		want  string
	}{
		{0, 1, `{"n":1}`}, {0, 1, `{"n":1}`}, {59 * time.Second, 1, `{"n":1}`}, {time.Second, 1, `{"n":4}`},
		{0, 0, `null`}, {0, 0, `null`}, {0, 1, `{"n":4}`}, // the miss has asked once: in step 6 there is a row
		{0, 2, `{"n":8}`}, {0, 1, `{"n":4}`}, {0, 0, `null`}, {0, 2, `{"n":11}`}, // the miss was forgotten, and has made 2 forgotten
	} {
		now = now.Add(step.after)
		if _, err := db.Exec(t.Context(), `UPDATE step SET n = $1`, i+1); err != nil {
			t.Fatal(err)
		}
		out, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent(fmt.Sprintf(`{"id":%d}`, step.id)))
		if want := fmt.Sprintf(`{"id":%d,"c":%s}`, step.id, step.want); err != nil || string(out[0].Data) != want {
			t.Fatalf("step %d: %v, %v; want %s", i, out, err, want)
		}
	}
}

// TestSessionIsRenewed proves that the next event opens a new session after the server has ended the
// old one.
func TestSessionIsRenewed(t *testing.T) {
	db := resetCustomers(t)
	tr := plugintest.NewTransform(t, Type(), fmt.Sprintf("{url: %q, into: c, query: SELECT 1 AS x, cache: {size: 0}}", testenv.Postgres(t).URL()), plugintest.Env(t))
	for range 3 {
		out, err := plugintest.Apply(t.Context(), tr, plugintest.NewEvent(`{}`))
		if err != nil || string(out[0].Data) != `{"c":{"x":1}}` {
			t.Fatalf("%v, %v", out, err)
		}
		var ended bool
		err = db.QueryRow(t.Context(), "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'eventgateway "+plugintest.Name+"'").Scan(&ended)
		if err != nil || !ended {
			t.Fatalf("the session was not ended: %v", err)
		}
	}
}

// TestSessionIsCleanAfterQuery proves that code that a query calls leaves no change and no setting.
func TestSessionIsCleanAfterQuery(t *testing.T) {
	db := resetCustomers(t)
	if _, err := db.Exec(t.Context(), `CREATE OR REPLACE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM customers; RETURN 1; END';
		CREATE OR REPLACE FUNCTION sets() RETURNS text LANGUAGE sql AS $$ SELECT set_config('eventgateway.left', coalesce(nullif(current_setting('eventgateway.left', true), ''), '0') || '1', false) $$`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `CREATE OR REPLACE FUNCTION public.to_json(record) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'another to_json was called'; END $$;
		CREATE OR REPLACE FUNCTION takes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(4711); EXECUTE 'DEALLOCATE ALL'; RETURN (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711); END $$`); err != nil {
		t.Fatal(err)
	}
	apply := func(query string) (string, error) {
		tr := plugintest.NewTransform(t, Type(), fmt.Sprintf("{url: %q, into: c, query: %q, cache: {size: 0}}", testenv.Postgres(t).URL(), query), plugintest.Env(t))
		var out []*event.Event
		var err error
		for range 2 { // the second time in a session that was used
			if out, err = plugintest.Apply(t.Context(), tr, plugintest.NewEvent(`{}`)); err != nil {
				continue
			}
		}
		if err != nil {
			return "", err
		}
		return string(out[0].Data), nil
	}
	if _, err := apply("SELECT writes()"); err == nil || !strings.Contains(err.Error(), "cannot execute DELETE in a read-only transaction") {
		t.Errorf("error %v", err)
	}
	if got, err := apply("SELECT takes() AS n"); got != `{"c":{"n":1}}` {
		t.Errorf("got %s, %v", got, err)
	}
	var locked bool
	if err := db.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711)").Scan(&locked); err != nil || locked {
		t.Errorf("the lock is left: %v, %v", locked, err)
	}
	if _, err := db.Exec(t.Context(), `DROP FUNCTION public.to_json(record)`); err != nil {
		t.Fatal(err)
	}
	if got, err := apply("SELECT sets()"); got != `{"c":{"sets":"01"}}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestProbe(t *testing.T) {
	resetCustomers(t)
	for query, want := range map[string]string{
		"SELECT name FROM customers WHERE id = $1": "ok: the query can be run",
		"SELECT name FROM nobody WHERE id = $1":    `WRONG: the database`,
	} {
		tr := plugintest.NewTransform(t, Type(), fmt.Sprintf("{url: %q, into: c, params: [id], query: %q}", testenv.Postgres(t).URL(), query), plugintest.Env(t))
		found := tr.(plugin.Prober).Probe(t.Context())
		if got := fmt.Sprintf("%v: %s", found[0].Level, found[0].Text); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		if n := len(found); n > 1 && !strings.Contains(found[1].Text, "the role is a superuser") || n > 2 || want[0] == 'o' && n != 2 {
			t.Errorf("%s: %+v", query, found)
		}
	}
}
