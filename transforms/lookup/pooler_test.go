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
