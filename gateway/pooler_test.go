package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// behind starts the gateway of gateway.yaml with its database behind a pgbouncer.
func behind(t *testing.T, b *testenv.Pgbouncer) *program {
	t.Helper()
	env := realServers(t)
	env["DATABASE_URL"] = b.URL()
	return startBinary(t, env, "-c", absolute(t, "gateway.yaml"))
}

// awaitRefusal waits until the status says why the source orders_db does not run.
func (p *program) awaitRefusal() {
	p.t.Helper()
	p.awaitLog("secret for /api is in this file")
	var last string
	for start := time.Now(); !strings.Contains(last, "pool_mode=session"); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > testenv.Wait {
			p.t.Fatalf("last error %q", last)
		}
		var status struct {
			Sources []struct {
				Name  string
				Error string `json:"last_error"`
			}
		}
		_, body := p.get("/api/status")
		_ = json.Unmarshal([]byte(body), &status) // there is none until it listens
		for _, s := range status.Sources {
			if s.Name == "orders_db" {
				last = s.Error
			}
		}
	}
}

// TestTransactionPoolerIsRefused: two gateways behind one say what to mend, and are neither ready nor leading.
func TestTransactionPoolerIsRefused(t *testing.T) {
	for _, mode := range []string{"transaction", "statement"} {
		b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: mode})
		gateways := []*program{behind(t, b), behind(t, b)}
		for _, p := range gateways {
			p.awaitRefusal()
		}
		for _, p := range gateways {
			if l := p.leader(); l.State == "leader" || l.State == "standby" || l.State == "starting" {
				t.Errorf("%s: state %q", mode, l.State)
			}
			if status, body := p.get("/readyz"); status == http.StatusOK {
				t.Errorf("%s: it is ready: %s", mode, body)
			}
		}
		if n := locks(t); n != 0 { // it would stay, and keep others from leading
			t.Errorf("%s: %d locks are left in the pool", mode, n)
		}
	}
}

// locks counts the advisory locks of the server.
func locks(t *testing.T) (n int) {
	t.Helper()
	if err := testenv.Connect(t).QueryRow(testenv.Context(t), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSessionPooler: one of two gateways leads, each order arrives once, and the other one takes over. Both
// connect again to a pgbouncer that was killed. One that was switched to transactions is refused.
func TestSessionPooler(t *testing.T) {
	b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"})
	out := collectPublished(t)
	orders, stop := startWriter(t)
	first := behind(t, b)
	first.awaitLeading()
	second := behind(t, b)
	second.awaitReady()
	if a, b := first.leader(), second.leader(); a.State != "leader" || b.State != "standby" {
		t.Fatalf("states %+v and %+v", a, b)
	}
	out.await(t, orders.committed()+500, testenv.Wait)
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.exit(testenv.Wait)
	second.awaitLeading()
	out.await(t, orders.committed()+500, testenv.Wait)
	b.Kill()
	b.Start(t)
	out.await(t, orders.committed()+500, testenv.Wait)
	stop()
	out.await(t, orders.committed(), testenv.Wait)
	out.check(t)
	second.awaitMetric("gateway_conserved 1")

	b.SetMode(t, "transaction")
	second.awaitRefusal()
	if l := second.leader(); l.State == "leader" {
		t.Errorf("behind a pooler of transactions: %+v", l)
	}
}
