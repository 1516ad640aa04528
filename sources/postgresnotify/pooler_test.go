package postgresnotify

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// ignores is an Output that only says when it is ready.
type ignores struct {
	plugintest.Output
	ready chan struct{}
}

func (i ignores) Ready() { i.ready <- struct{}{} }

func pooled(t *testing.T, b *testenv.Pgbouncer) (*source, ignores) {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.URL, o.Channels, o.Heartbeat = options.NewURL(b.URL()), []string{channel}, options.Duration(50*time.Millisecond)
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*source), ignores{ready: make(chan struct{}, 1)}
}

// TestTransactionPoolerIsRefused also when the pooler gets this mode while the source runs: then the
// heartbeat finds another session, when a client has taken that of the source.
func TestTransactionPoolerIsRefused(t *testing.T) {
	const mends = "with pgbouncer by this line under [databases]: postgres = host=... pool_mode=session"
	for _, mode := range []string{"transaction", "statement"} {
		s, out := pooled(t, testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: mode}))
		if err := s.Run(testenv.Context(t), out); err == nil || !strings.HasPrefix(err.Error(), "cannot listen at postgres://***@") || !strings.Contains(err.Error(), mends) {
			t.Errorf("%s: error %v", mode, err)
		}
		if len(out.ready) > 0 {
			t.Errorf("%s: it is ready", mode)
		}
		if findings := s.Probe(testenv.Context(t)); len(findings) != 2 || !strings.Contains(findings[1].Fix, mends) {
			t.Errorf("%s: %+v", mode, findings)
		}
	}

	b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"})
	s, out := pooled(t, b)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(testenv.Context(t), out) }()
	select {
	case <-out.ready:
	case err := <-ended:
		t.Fatal(err)
	}
	b.SetMode(t, "transaction")
	for begin := time.Now(); time.Since(begin) < testenv.Wait; time.Sleep(10 * time.Millisecond) {
		conn, err := pgx.Connect(testenv.Context(t), b.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		exec(t, conn, "BEGIN")
		select {
		case err := <-ended:
			if err == nil || !strings.Contains(err.Error(), mends) {
				t.Errorf("after the switch: %v", err)
			}
			return
		case <-time.After(200 * time.Millisecond): // for heartbeats
		}
	}
	t.Error("it runs on")
}

// TestSessionPooler: small and large rows arrive through a pooler that keeps sessions, also with settings in the URL.
func TestSessionPooler(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, `DROP TABLE IF EXISTS large; CREATE TABLE large (id int PRIMARY KEY, note text);`+trigger("public", "large"))
	url := options.NewURL(testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"}).URL())
	next := startListening(t, func(o *Options) { o.URL = url })
	plain := next
	next = startListening(t, func(o *Options) {
		o.URL = options.NewURL(url.Reveal() + "&search_path=nowhere&statement_timeout=60s&options=-c%20lock_timeout%3D9s")
	})
	for _, note := range []string{"small", strings.Repeat("x", 9000), strings.Repeat("y", 9000)} {
		exec(t, db, `INSERT INTO large VALUES ((SELECT count(*) FROM large), $1)`, note)
		for _, next := range []func() string{plain, next} {
			if got := next(); !strings.Contains(got, `"`+note+`"`) {
				t.Errorf("got %.200s", got)
			}
		}
	}
}
