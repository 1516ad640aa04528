package postgresnotify

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestConformance(t *testing.T) {
	t.Run("server", func(t *testing.T) { runSuite(t, testenv.Postgres(t).URL()) })
	t.Run("pooler", func(t *testing.T) { runSuite(t, testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"}).URL()) })
}

func runSuite(t *testing.T, url string) {
	const channel = `Odd "channel"; DROP TABLE x`
	// do has a session of its own, which does not end with a rule that ends before.
	do := func(t testing.TB, sql string, args ...any) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Wait)
		defer cancel()
		db, err := pgx.Connect(ctx, testenv.Postgres(t).URL())
		if err == nil {
			defer db.Close(ctx)
			_, err = db.Exec(ctx, sql, args...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	plugintest.Source(t, plugintest.SourceHarness{
		Type: Type(),
		Reachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channels = options.NewURL(url), []string{"other", channel}
		},
		Unreachable: func(o any) {
			o.(*Options).URL, o.(*Options).Channels = options.NewURL("postgres://u:p@127.0.0.1:1/x"), []string{channel}
		},
		Send: func(t testing.TB, payloads ...string) {
			for _, p := range payloads {
				do(t, "SELECT pg_notify($1, $2)", channel, p)
			}
		},
		TakeLock: func(t testing.TB) {
			do(t, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
		},
		Disconnect: func(t testing.TB) {
			do(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "eventgateway "+plugintest.Name)
		},
	})
}

// slow is an Output that holds the source up once, for many heartbeats.
type slow struct {
	plugintest.Output
	ready chan struct{}
	held  chan struct{} // closed to let it go on
	count chan int
}

func (s *slow) Ready() { close(s.ready) }
func (s *slow) Emit(_ context.Context, b event.Batch) error {
	<-s.held
	s.count <- len(b.Events)
	return nil
}

// TestHeartbeatAllowsBacklog proves that a heartbeat does not end a connection while the server sends a
// long backlog.
func TestHeartbeatAllowsBacklog(t *testing.T) {
	const total = 200_000
	o := Type().Defaults().(*Options)
	o.URL, o.Channels, o.Heartbeat = options.NewURL(testenv.Postgres(t).URL()), []string{"backlog"}, options.Duration(50*time.Millisecond)
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	out := &slow{ready: make(chan struct{}), held: make(chan struct{}), count: make(chan int, total)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	<-out.ready
	if _, err := testenv.Connect(t).Exec(testenv.Context(t), `SELECT pg_notify('backlog', n || repeat('x', 300)) FROM generate_series(1, $1::int) n`, total); err != nil {
		t.Fatal(err)
	}
	close(out.held) // after many heartbeats' time
	for got := 0; got < total; {
		select {
		case n := <-out.count:
			got += n
		case err := <-ended:
			t.Fatalf("after %d of %d: %v", got, total, err)
		case <-time.After(testenv.Wait):
			t.Fatalf("only %d of %d", got, total)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
