package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// startBehindPooler starts the gateway of gateway.yaml with its database behind a pgbouncer.
func startBehindPooler(t *testing.T, b *testenv.Pgbouncer) *program {
	t.Helper()
	env := realServers(t)
	env["DATABASE_URL"] = b.URL()
	return startBinary(t, env, "-c", absolute(t, "gateway.yaml"))
}

// awaitRefusal waits until the last error of the source orders_db names the right pool_mode.
func (p *program) awaitRefusal() {
	p.t.Helper()
	p.awaitLog("secret of /api is in this file")
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
		_ = json.Unmarshal([]byte(body), &status) // there is no body until the gateway listens
		for _, s := range status.Sources {
			if s.Name == "orders_db" {
				last = s.Error
			}
		}
	}
}

// TestTransactionPoolerIsRefused proves that gateways behind a pooler of transactions or statements report the
// right pool_mode, and are neither ready nor leading.
func TestTransactionPoolerIsRefused(t *testing.T) {
	for _, mode := range []string{"transaction", "statement"} {
		b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: mode})
		gateways := []*program{startBehindPooler(t, b), startBehindPooler(t, b)}
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
		if n := locks(t); n != 0 { // a lock would stay, and no gateway could lead
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

// TestSessionPoolerWorks proves that, behind a pooler of sessions, one of two gateways leads, each order arrives
// once, and the standby takes over. Both reconnect after a kill of the pooler, and refuse it when its mode changes to
// transaction.
func TestSessionPoolerWorks(t *testing.T) {
	b := testenv.StartPgbouncer(t, testenv.Pgbouncer{Mode: "session"})
	out := collectPublished(t)
	orders, stop := startWriter(t)
	first := startBehindPooler(t, b)
	first.awaitLeading()
	second := startBehindPooler(t, b)
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
		t.Errorf("it leads behind a pooler of transactions: %+v", l)
	}
}
