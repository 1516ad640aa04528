package lookup

import (
	"fmt"
	"sync"
	"testing"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestTransactionPooler: several transforms share one session of a pooler, and none leaves a statement there.
func TestTransactionPooler(t *testing.T) {
	customers(t)
	url := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "transaction", PoolSize: 1}).URL()
	var all sync.WaitGroup
	for i := range 4 {
		tr := plugintest.NewTransform(t, Type(), fmt.Sprintf(`{url: %q, into: c, params: [id], query: "SELECT name, %d AS n FROM customers WHERE id = $1", cache: {size: 0}}`, url, i), plugintest.Env(t))
		if f := tr.(plugin.Prober).Probe(t.Context()); f[0].Level != plugin.Fine {
			t.Errorf("%+v", f)
		}
		all.Go(func() {
			want := fmt.Sprintf(`{"id":7,"c":{"name":"Ada","n":%d}}`, i)
			for range 50 {
				if out, err := plugintest.Apply(testenv.Context(t), tr, plugintest.Incoming(`{"id":7}`)); err != nil || string(out[0].Data) != want {
					t.Errorf("%v, %v, want %s", out, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}
