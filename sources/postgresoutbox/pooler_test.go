package postgresoutbox

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestSessionPooler: behind a pooler that keeps sessions, the rows that exist and all changes arrive with the
// settings of the source, also when the pooler is killed on the way.
func TestSessionPooler(t *testing.T) {
	for _, wake := range []string{"bell", "poll"} {
		t.Run(wake, func(t *testing.T) {
			db := fresh(t, `ALTER ROLE postgres SET timezone = 'Asia/Tokyo'; ALTER ROLE postgres SET bytea_output = 'escape';
				CREATE TABLE stamps (id int PRIMARY KEY, at timestamptz DEFAULT '2024-01-01 00:00:00+00', x bytea DEFAULT '\x00ff'); INSERT INTO stamps VALUES (1)`, "stamps")
			t.Cleanup(func() {
				run(t, testenv.Connect(t), `ALTER ROLE postgres RESET timezone; ALTER ROLE postgres RESET bytea_output`)
			})
			b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"})
			st := start(t, func(o *Options) {
				o.URL, o.Wake = options.NewURL(b.URL()), wake
				initial("stamps")(o)
			}, newCollector())
			st.await(t, 1)
			stored(t, db, "coalesce((snapshot->'tables'->'public.stamps'->>'done')::bool, false)") // else later rows come twice
			for i := 2; i <= 200; i++ {
				run(t, db, "INSERT INTO stamps VALUES ($1)", i)
				if i == 100 {
					b.Kill()
					b.Start(t)
				}
			}
			seen := map[float64]bool{}
			for _, e := range st.await(t, 200) {
				c := changeOf(t, e)
				seen[c.New["id"].(float64)] = true
				if c.New["at"] != "2024-01-01T00:00:00+00:00" || c.New["x"] != `\x00ff` {
					t.Errorf("%s: %s", c.Operation, e.Data)
				}
			}
			if len(seen) != 200 {
				t.Errorf("%d rows of 200", len(seen))
			}
			stored(t, db, "(SELECT count(*) FROM gateway.outbox) = 0")
		})
	}
}

// TestTransactionPoolerIsRefused, whatever wakes the reader, and leaves no setting in the pool.
func TestTransactionPoolerIsRefused(t *testing.T) {
	fresh(t, items, "items")
	for _, mode := range []string{"transaction", "statement"} {
		b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: mode})
		for _, wake := range []string{"bell", "poll"} {
			s := newSource(t, func(o *Options) { o.URL, o.Wake = options.NewURL(b.URL()), wake })
			out := newCollector()
			if err := s.Run(testenv.Context(t), out); err == nil || !strings.Contains(err.Error(), "pool_mode=session") {
				t.Errorf("%s, %s: error %v", mode, wake, err)
			}
			if len(out.ready) > 0 {
				t.Errorf("%s, %s: it is ready", mode, wake)
			}
			if f := s.Probe(testenv.Context(t)); len(f) != 2 || f[1].Level != plugin.Wrong || !strings.Contains(f[1].Fix, "pool_mode=session") {
				t.Errorf("%s, %s: %+v", mode, wake, f)
			}
		}
		conn, err := pgx.Connect(testenv.Context(t), b.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		var is string
		if err := conn.QueryRow(testenv.Context(t), "SHOW search_path", pgx.QueryExecModeSimpleProtocol).Scan(&is); err != nil || strings.Contains(is, "pg_catalog") {
			t.Errorf("search_path is %s, %v", is, err)
		}
	}
}
