package postgresoutbox

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestSessionPooler proves that a snapshot and all changes arrive through a session pooler with the
// settings of the source, also when the pooler is killed.
func TestSessionPooler(t *testing.T) {
	for _, wake := range []string{"bell", "poll"} {
		t.Run(wake, func(t *testing.T) {
			db := resetDatabase(t, `ALTER ROLE postgres SET timezone = 'Asia/Tokyo'; ALTER ROLE postgres SET bytea_output = 'escape';
				CREATE TABLE stamps (id int PRIMARY KEY, at timestamptz DEFAULT '2024-01-01 00:00:00+00', x bytea DEFAULT '\x00ff'); INSERT INTO stamps VALUES (1)`, "stamps")
			t.Cleanup(func() {
				sourcetest.Exec(t, testenv.Connect(t), `ALTER ROLE postgres RESET timezone; ALTER ROLE postgres RESET bytea_output`)
			})
			b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"})
			st := start(t, func(o *Options) {
				o.URL, o.Wake = options.NewURL(b.URL()), wake
				withSnapshot("stamps")(o)
			}, sourcetest.NewCollector())
			st.Await(t, 1)
			awaitCursor(t, db, "coalesce((snapshot->'tables'->'public.stamps'->>'done')::bool, false)") // else later rows come twice
			for i := 2; i <= 200; i++ {
				sourcetest.Exec(t, db, "INSERT INTO stamps VALUES ($1)", i)
				if i == 100 {
					b.Kill()
					b.Start(t)
				}
			}
			seen := map[float64]bool{}
			for _, e := range st.Await(t, 200) {
				c := sourcetest.ChangeOf(t, e)
				seen[c.New["id"].(float64)] = true
				if c.New["at"] != "2024-01-01T00:00:00+00:00" || c.New["x"] != `\x00ff` {
					t.Errorf("%s: %s", c.Operation, e.Data)
				}
			}
			if len(seen) != 200 {
				t.Errorf("%d rows of 200", len(seen))
			}
			awaitCursor(t, db, "(SELECT count(*) FROM gateway.outbox) = 0")
		})
	}
}

// TestSettingsOfURLThroughPooler proves that settings in the URL work through a session pooler, for the outbox, the snapshot
// and the leader, and that the refusal of a transaction pooler leaves none of them in the pool.
func TestSettingsOfURLThroughPooler(t *testing.T) {
	const set = "&search_path=nowhere&statement_timeout=60s&options=-c%20lock_timeout%3D9s%20--idle-in-transaction-session-timeout%3D1h"
	db := resetDatabase(t, sourcetest.ItemsSQL+`; INSERT INTO items VALUES (1)`, "items")
	b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"})
	st := start(t, func(o *Options) {
		o.URL = options.NewURL(b.URL() + set)
		withSnapshot("items")(o)
	}, sourcetest.NewCollector())
	for _, f := range st.source.Probe(testenv.Context(t)) {
		if f.Level == plugin.Problem {
			t.Errorf("check --live: %+v", f)
		}
	}
	l, err := st.source.Campaign(testenv.Context(t), "orders", 0, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	l.Resign()
	st.Await(t, 1)
	awaitCursor(t, db, "coalesce((snapshot->'tables'->'public.items'->>'done')::bool, false)")
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (2)")
	st.Await(t, 2)
	st.Stop()

	b = testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "transaction"})
	s := newSource(t, func(o *Options) { o.URL = options.NewURL(b.URL() + set) })
	if err := s.Run(testenv.Context(t), sourcetest.NewCollector()); err == nil || !strings.Contains(err.Error(), "pool_mode=session") || !strings.Contains(err.Error(), "lock_timeout") {
		t.Errorf("transaction: error %v", err)
	}
	conn := testenv.ConnectURL(t, b.URL()+"&default_query_exec_mode=simple_protocol")
	var is string
	if err := conn.QueryRow(testenv.Context(t), "SELECT concat(current_setting('search_path'), ' ', current_setting('lock_timeout'))").Scan(&is); err != nil || is != `"$user", public 0` {
		t.Errorf("left in the pool: %s, %v", is, err)
	}
}

// TestTransactionPoolerIsRefused proves that a source with any wake refuses a transaction pooler, and
// leaves no setting in the pool.
func TestTransactionPoolerIsRefused(t *testing.T) {
	resetDatabase(t, sourcetest.ItemsSQL, "items")
	for _, mode := range []string{"transaction", "statement"} {
		b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: mode})
		for _, wake := range []string{"bell", "poll"} {
			s := newSource(t, func(o *Options) { o.URL, o.Wake = options.NewURL(b.URL()), wake })
			out := sourcetest.NewCollector()
			if err := s.Run(testenv.Context(t), out); err == nil || !strings.Contains(err.Error(), "pool_mode=session") {
				t.Errorf("%s, %s: error %v", mode, wake, err)
			}
			if len(out.Connected) > 0 {
				t.Errorf("%s, %s: it is ready", mode, wake)
			}
			if f := s.Probe(testenv.Context(t)); len(f) != 2 || f[1].Level != plugin.Problem || !strings.Contains(f[1].Fix, "pool_mode=session") {
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

// TestPoolerThatLeavesSettingsOut: rows that row-level security hides are not left out of a snapshot without
// a word, behind a pooler that drops what a session asks for.
func TestPoolerThatLeavesSettingsOut(t *testing.T) {
	db := resetDatabase(t, testenv.RoleSQL("reader")+sourcetest.ItemsSQL, "items")
	sql, err := pgtrigger.RoleSQL("outbox", "reader", []pgtrigger.Table{{Schema: "public", Name: "items"}})
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, sql)
	sourcetest.Exec(t, db, `INSERT INTO public.items SELECT n FROM generate_series(1, 3) n; ALTER TABLE public.items ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON public.items USING (id > 1)`)
	url := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session", User: "reader", Ignore: "extra_float_digits,row_security,search_path,options"}).URL()
	var log testenv.Log
	set := func(o *Options) {
		o.URL, o.Tables, o.Snapshot = options.NewURL(url+"&row_security=on&options=-c%20datestyle%3DGerman"), []string{"items"}, "initial"
	}
	o := Type().Defaults().(*Options)
	set(o)
	env := plugintest.Env(t)
	env.Log = slog.New(slog.NewTextHandler(&log, nil))
	s, err := Type().Build(o, env)
	if err != nil {
		t.Fatal(err)
	}
	out := sourcetest.NewCollector()
	st := startSource(t, s.(*source), out)
	sourcetest.Exec(t, db, `DELETE FROM public.items WHERE id = 3`)
	st.Await(t, 4) // the changes come
	testenv.Eventually(t, testenv.Wait, "logged: snapshot paused", func() bool { return strings.Contains(log.String(), "snapshot paused") }, log.String)
	if !strings.Contains(log.String(), "row-level security") {
		t.Errorf("log: %s", log.String())
	}
	for _, e := range st.Await(t, 4) {
		if operation, _ := e.Attr("operation"); operation == "READ" {
			t.Errorf("a row of the snapshot came: %s", e.Data)
		}
	}
	found := false
	for _, f := range st.source.Probe(testenv.Context(t)) {
		found = found || strings.Contains(f.Text, "the rows of public.items cannot be read for a snapshot: row-level security could hide some")
	}
	if !found {
		t.Errorf("check --live: %+v", st.source.Probe(testenv.Context(t)))
	}
	st.Stop()
	sourcetest.Exec(t, db, `DROP OWNED BY reader; DROP ROLE reader`)
}
