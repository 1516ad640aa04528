package lookup

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestPoolers of each mode: several transforms share one session of the pooler, and none leaves a statement or a setting there.
func TestPoolers(t *testing.T) {
	resetCustomers(t)
	for _, mode := range []string{"transaction", "statement"} {
		t.Run(mode, func(t *testing.T) {
			throughOneSession(t, testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: mode, PoolSize: 1}).URL())
		})
	}
}

// TestSettingsOfURLThroughPoolers proves that settings in the URL hold for the query through a pooler of each mode, and are not left
// in its session.
func TestSettingsOfURLThroughPoolers(t *testing.T) {
	resetCustomers(t)
	db := testenv.Connect(t)
	for _, sql := range []string{"DROP SCHEMA IF EXISTS shop CASCADE", "CREATE SCHEMA shop", "CREATE TABLE shop.people (id int, name text)", "INSERT INTO shop.people VALUES (7, 'Ada')"} {
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []string{"", "session", "transaction"} {
		url := testenv.Postgres(t).URL()
		if mode != "" {
			url = testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: mode, PoolSize: 1}).URL()
		}
		tr := plugintest.NewTransform(t, Type(), fmt.Sprintf(`{url: %q, into: c, params: [id], cache: {size: 0},
			query: "SELECT name, current_setting('app.tenant') AS tenant, current_setting('statement_timeout') AS stop FROM people WHERE id = $1 AND id <> 8 / (8 - $1)"}`,
			url+"&search_path=shop&options=-c%20statement_timeout%3D7s%20-capp.tenant%3Da%5C%20'b"), plugintest.Env(t))
		if f := tr.(plugin.Prober).Probe(testenv.Context(t)); f[0].Level != plugin.OK {
			t.Errorf("%q: %+v", mode, f)
		}
		for i := range 4 {
			if _, err := plugintest.Apply(testenv.Context(t), tr, plugintest.NewEvent(`{"id":8}`)); i == 2 && err == nil { // which the server refuses
				t.Errorf("%q: it divides by zero", mode)
			}
			const want = `{"id":7,"c":{"name":"Ada","tenant":"a 'b","stop":"7s"}}`
			if out, err := plugintest.Apply(testenv.Context(t), tr, plugintest.NewEvent(`{"id":7}`)); err != nil || string(out[0].Data) != want {
				t.Errorf("%q: %v, %v, want %s", mode, out, err, want)
			}
		}
		if mode != "transaction" {
			continue
		}
		conn := testenv.ConnectURL(t, url+"&default_query_exec_mode=simple_protocol")
		var is string
		if err := conn.QueryRow(testenv.Context(t), "SELECT concat(current_setting('search_path'), ' ', current_setting('statement_timeout'), ' ', current_setting('app.tenant', true))").Scan(&is); err != nil || is != `"$user", public 0 ` {
			t.Errorf("left in the pool: %s, %v", is, err)
		}
	}
}

func throughOneSession(t *testing.T, url string) {
	var all sync.WaitGroup
	for i := range 4 {
		tr := plugintest.NewTransform(t, Type(), fmt.Sprintf(`{url: %q, into: c, params: [id], query: "SELECT name, %d AS n FROM customers WHERE id = $1", cache: {size: 0}}`, url, i), plugintest.Env(t))
		if f := tr.(plugin.Prober).Probe(t.Context()); f[0].Level != plugin.OK {
			t.Errorf("%+v", f)
		}
		all.Go(func() {
			want := fmt.Sprintf(`{"id":7,"c":{"name":"Ada","n":%d}}`, i)
			for range 50 {
				if out, err := plugintest.Apply(testenv.Context(t), tr, plugintest.NewEvent(`{"id":7}`)); err != nil || string(out[0].Data) != want {
					t.Errorf("%v, %v, want %s", out, err, want)
					return
				}
			}
		})
	}
	all.Wait()
	conn, err := pgx.Connect(testenv.Context(t), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var changed, prepared int
	if err := conn.QueryRow(testenv.Context(t), "SELECT (SELECT count(*) FROM pg_settings WHERE name = 'quote_all_identifiers' AND source = 'session' OR name = 'bytea_output' AND source = 'session'), (SELECT count(*) FROM pg_prepared_statements WHERE name <> '')", pgx.QueryExecModeSimpleProtocol).Scan(&changed, &prepared); err != nil || changed+prepared != 0 {
		t.Errorf("%d settings and %d statements are left, %v", changed, prepared, err)
	}
}
