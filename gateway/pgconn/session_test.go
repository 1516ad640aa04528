package pgconn_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// mends is the line of the error that says what to do.
const mends = "connect to PostgreSQL itself, or have the pooler keep sessions; with pgbouncer by this line under [databases]: postgres = host=... pool_mode=session"

// prove connects to url, and proves the session and LISTEN. It returns the connection, which ends with the test.
func prove(t *testing.T, url string) (*pgx.Conn, *pgx.ConnConfig, error) {
	t.Helper()
	config, err := pgconn.Config(options.NewURL(url), "test")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(testenv.Context(t), config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pgconn.Close(conn) })
	begin := time.Now()
	pid, err := pgconn.VerifyListen(testenv.Context(t), conn, config.ConnConfig, nil)
	t.Logf("proof took %v", time.Since(begin).Round(100*time.Microsecond))
	if err == nil {
		same, err := pgconn.VerifySession(testenv.Context(t), conn, config.ConnConfig)
		if err != nil || same != pid {
			t.Errorf("process %d, then %d, %v", pid, same, err)
		}
	}
	return conn, config.ConnConfig, err
}

// TestVerifySession proves that a role that may only connect, and only once, is verified at the server.
// Behind a session pooler it is verified too, also if the pool has no second session; behind any other
// pooler it is not.
func TestVerifySession(t *testing.T) {
	db := prepare(t, false)
	exec(t, db, `ALTER ROLE mallory CONNECTION LIMIT 1`)
	for name, c := range map[string]struct {
		bouncer *testenv.Pgbouncer // nil: none
		proven  bool
	}{
		"server":                 {nil, true},
		"sessions":               {&testenv.Pgbouncer{Mode: "session"}, true},
		"one session":            {&testenv.Pgbouncer{Mode: "session", PoolSize: 1}, true},
		"transactions":           {&testenv.Pgbouncer{Mode: "transaction"}, false},
		"transactions, one pool": {&testenv.Pgbouncer{Mode: "transaction", PoolSize: 1}, false},
		"statements":             {&testenv.Pgbouncer{Mode: "statement"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			url := testenv.RoleURL(t, "mallory")
			if c.bouncer != nil {
				c.bouncer.User = "gateway"
				url = testenv.StartPgbouncer(t, *c.bouncer).URL()
			}
			conn, config, err := prove(t, url)
			switch {
			case c.proven != (err == nil), err != nil && !strings.Contains(err.Error(), mends):
				t.Errorf("error %v", err)
			case c.proven:
				var left int
				if err := conn.QueryRow(testenv.Context(t), "SELECT count(*) FROM pg_listening_channels()").Scan(&left); err != nil || left != 0 {
					t.Errorf("it listens to %d channels, %v", left, err)
				}
			default:
				f := pgconn.ProbeListen(testenv.Context(t), conn, config)
				if f.Level != plugin.Problem || f.Fix != mends || strings.Contains(f.Text, "pgbouncer") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// TestVerifySessionUnderLoad proves that a transaction pooler is detected although its sessions rotate
// among many clients.
func TestVerifySessionUnderLoad(t *testing.T) {
	url := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "transaction", PoolSize: 4}).URL()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	t.Cleanup(func() { cancel(); clients.Wait() })
	for range 6 {
		conn, err := pgx.Connect(testenv.Context(t), url)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			defer conn.Close(context.Background())
			for ctx.Err() == nil {
				if _, err := conn.Exec(context.Background(), "SELECT pg_sleep(0.001)"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		if _, _, err := prove(t, url); err == nil || !strings.Contains(err.Error(), mends) {
			t.Errorf("error %v", err)
		}
	}
}

// behind returns an elector that connects through a pooler, as the role gateway.
func behind(b *testenv.Pgbouncer, t *testing.T) pgconn.Elector {
	t.Helper()
	url := options.NewURL(b.URL())
	config, err := pgconn.Config(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	return pgconn.Elector{Config: config, URL: url, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// TestNoLeaderBehindTransactionPooler proves that no gateway leads behind a transaction pooler, and
// that no lock or setting is left in the pool. A pooler that is switched while one leads and another
// stands by gets no second leader.
func TestNoLeaderBehindTransactionPooler(t *testing.T) {
	for _, withLease := range []bool{false, true} {
		db := prepare(t, withLease)
		b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "transaction", User: "gateway", PoolSize: 1})
		for range 2 {
			_, err := behind(b, t).Campaign(testenv.Context(t), "orders", 0, func(string) { t.Error("it stands by") })
			if err == nil || !strings.Contains(err.Error(), "cannot lead at postgres://***@") || !strings.Contains(err.Error(), mends) {
				t.Errorf("error %v", err)
			}
		}
		var locks int
		if err := db.QueryRow(testenv.Context(t), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").Scan(&locks); err != nil || locks != 0 {
			t.Errorf("%d locks, %v", locks, err)
		}
		pooled, err := pgx.Connect(testenv.Context(t), b.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer pgconn.Close(pooled)
		var timeout string
		if err := pooled.QueryRow(testenv.Context(t), "SHOW idle_session_timeout", pgx.QueryExecModeSimpleProtocol).Scan(&timeout); err != nil || timeout != "0" {
			t.Errorf("idle_session_timeout %s, %v", timeout, err)
		}
		pgconn.Close(pooled)

		b = testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session", User: "gateway"})
		e := behind(b, t)
		first := start(t, e, 0).leads(t)
		won, stoodBy := make(chan error, 1), make(chan string, 1000)
		go func() {
			l, err := e.Campaign(testenv.Context(t), "orders", 0, func(holder string) { stoodBy <- holder })
			if err == nil {
				l.Resign()
			}
			won <- err
		}()
		<-stoodBy
		b.SetMode(t, "transaction")
		_ = first.Confirm(testenv.Context(t)) // its session may still be the same; the server ends it when this stays the last
		select {
		case err := <-won:
			if err == nil || !strings.Contains(err.Error(), mends) {
				t.Errorf("the second one: %v", err)
			}
		case <-time.After(testenv.Wait):
			t.Fatal("it stands by at a pooler of transactions")
		}
	}
}
