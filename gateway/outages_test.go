package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// The status must show an outage within a second, and events must flow two seconds after
// the server's return. A busy machine gets more time.
const (
	detectedWithin = 5 * time.Second
	resumedWithin  = 8 * time.Second
)

// component is a source or a sink in /api/status.
type component struct {
	Name, Type string
	Up         bool
	LastError  string `json:"last_error"`
	Delivered  uint64
	In         uint64
	Leader     *struct{ State string }
}

func (p *program) components() (list []component) {
	p.t.Helper()
	_, body := p.get("/api/status")
	var status struct{ Sources, Sinks []component }
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		p.t.Fatalf("%v: %.200s", err, body)
	}
	return append(status.Sources, status.Sinks...)
}

// await waits until holds is true of the components, and returns how long that took.
func (p *program) await(what string, within time.Duration, holds func([]component) bool) time.Duration {
	p.t.Helper()
	return testenv.Eventually(p.t, within, what, func() bool { return holds(p.components()) }, func() string { return fmt.Sprintf("%+v", p.components()) })
}

// outages is a run of TestOutages: servers that are killed, under load.
type outages struct {
	t       *testing.T
	servers map[string]killable // by the prefix of the types that use them
	env     map[string]string
}

type killable struct {
	kill, start func() error
}

func startOutages(t *testing.T) *outages {
	pg := testenv.StartPostgres(t, "-c", "synchronous_commit=on") // else tables may go with the crash
	bus, _ := testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	o := &outages{t: t, servers: map[string]killable{
		"postgres": {func() error { return pg.Crash(testenv.Context(t)) }, func() error { return pg.Start(testenv.Context(t)) }},
		"redis":    {func() error { bus.Kill(); return nil }, func() error { return bus.Start(testenv.Context(t)) }},
	}}
	o.prepare(pg.URL(), bus.URL())
	return o
}

// prepare creates the table, its triggers, and the environment of the configurations.
func (o *outages) prepare(database, bus string) {
	t := o.t
	shop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(shop.Close)
	dir := t.TempDir()
	o.env = map[string]string{"DATABASE_URL": database, "REDIS_URL": bus, "WEBHOOK_URL": shop.URL,
		"PARKED_FILE": filepath.Join(dir, "parked"), "AUDIT_FILE": filepath.Join(dir, "audit")}
	db, err := pgx.Connect(testenv.Context(t), database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(testenv.Context(t), testenv.OldTrigger); err != nil {
		t.Fatal(err)
	}
	db.Close(testenv.Context(t))
	if code := startBinary(t, o.env, "sql", "--mode", "outbox", "--table", "orders", "--apply").exit(testenv.Wait); code != 0 {
		t.Fatalf("gateway sql: exit status %d", code)
	}
}

// insert inserts about 100 rows per second until the test ends, also during outages.
func (o *outages) insert() {
	o.goUntilEnd(func(ctx context.Context) {
		var db *pgx.Conn
		for ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond) // the rate
			var err error
			if db == nil {
				db, err = pgx.Connect(ctx, o.env["DATABASE_URL"])
			}
			if err == nil {
				_, err = db.Exec(ctx, "INSERT INTO orders (customer_name, amount) VALUES ('x', 1000)")
			}
			if err != nil && db != nil {
				_ = db.Close(context.Background()) // it may be lost
				db = nil
			}
		}
		if db != nil {
			_ = db.Close(context.Background())
		}
	})
}

// publish publishes about 100 orders per second, as insert does.
func (o *outages) publish() {
	options, err := redis.ParseURL(o.env["REDIS_URL"])
	if err != nil {
		o.t.Fatal(err)
	}
	client := redis.NewClient(options)
	o.t.Cleanup(func() { client.Close() })
	o.goUntilEnd(func(ctx context.Context) {
		for n := 0; ctx.Err() == nil; n++ {
			time.Sleep(10 * time.Millisecond) // the rate
			operation := []string{"INSERT", "UPDATE", "DELETE"}[n%3]
			amount := 1 + n%2*1000
			_ = client.Publish(ctx, "orders_updates", fmt.Sprintf(`{"operation":%q,"order":{"id":%d,"customer_name":"x","amount":%d}}`, operation, n, amount)).Err() // it may be away
		}
	})
}

func (o *outages) goUntilEnd(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	o.t.Cleanup(func() { cancel(); <-done })
}

// start starts a gateway and waits until events flow to each sink.
func (o *outages) start(file string) *program {
	p := startBinary(o.t, o.env, "-c", absolute(o.t, file))
	go func() {
		for {
			select {
			case <-p.lines: // of the sink stdout
			case <-p.exited:
				return
			}
		}
	}()
	p.awaitReady()
	p.await("flowing", testenv.Wait, func(list []component) bool {
		return flows(list, nil) && !slices.ContainsFunc(list, func(c component) bool { return c.Leader != nil && c.Leader.State != "leader" })
	})
	return p
}

// awaitDown waits until the status shows all components of a server as down.
func (p *program) awaitDown(server string) {
	p.t.Helper()
	p.await(server+" down in the status", detectedWithin, func(list []component) bool {
		return !slices.ContainsFunc(list, func(c component) bool {
			return strings.HasPrefix(c.Type, server) && (c.Up || c.LastError == "")
		})
	})
}

// TestOutages proves that the status shows an outage of PostgreSQL or Redis under load soon, and that
// events flow again soon after the server's return. OUTAGES lists the lengths of outages in seconds, for
// every example configuration; without it two configurations have one of 2 s.
func TestOutages(t *testing.T) {
	files, lengths := []string{"gateway.yaml", "configs/orders-durable.yaml"}, []string{"2"}
	list := os.Getenv("OUTAGES")
	if list != "" {
		files, lengths = nil, strings.Split(list, ",")
		for name := range configs {
			files = append(files, name)
		}
		slices.Sort(files)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			if list != "" {
				t.Parallel()
			}
			testOutages(t, file, lengths)
		})
	}
}

func testOutages(t *testing.T, file string, lengths []string) {
	o := startOutages(t)
	o.insert()
	o.publish()
	p := o.start(file)
	for name, server := range o.servers {
		if !slices.ContainsFunc(p.components(), func(c component) bool { return strings.HasPrefix(c.Type, name) }) {
			continue
		}
		for _, length := range lengths {
			seconds, err := strconv.ParseFloat(length, 64)
			if err != nil {
				t.Fatal(err)
			}
			since := time.Now()
			if err := server.kill(); err != nil {
				t.Fatal(err)
			}
			p.awaitDown(name)
			detected := time.Since(since)
			time.Sleep(time.Until(since.Add(time.Duration(seconds * float64(time.Second))))) // the outage that is tested
			if err := server.start(); err != nil {
				t.Fatal(err)
			}
			before := p.components()
			resumed := p.await(name+" back", resumedWithin, func(list []component) bool { return flows(list, before) })
			t.Logf("%s: %s away for %s s: detected after %.2f s, events flow %.2f s after its return", file, name, length, detected.Seconds(), resumed.Seconds())
		}
	}
	p.awaitMetric("gateway_conserved 1")
}

// TestFailovers proves that the status shows the loss of a master of Sentinel or of a cluster under load, and that
// events flow again soon after the takeover by a replica.
func TestFailovers(t *testing.T) {
	for _, file := range []string{"gateway.yaml", "configs/orders-durable.yaml"} {
		for kind, start := range map[string]func(testing.TB) (url string, kill, well func()){
			"Sentinel": testenv.Sentinel,
			"Cluster": func(t testing.TB) (url string, kill, well func()) {
				return testenv.ClusterWithReplica(t, map[string]string{"gateway.yaml": "orders:msg_id", "configs/orders-durable.yaml": "orders"}[file])
			},
		} {
			t.Run(kind+" "+file, func(t *testing.T) {
				t.Parallel()
				url, kill, well := start(t)
				o := &outages{t: t}
				o.prepare(testenv.StartPostgres(t).URL(), url)
				o.insert()
				p := o.start(file)
				since := time.Now()
				kill()
				p.awaitDown("redis")
				detected := time.Since(since)
				well()
				tookOver, before := time.Since(since), p.components()
				resumed := p.await("back", resumedWithin, func(list []component) bool { return flows(list, before) })
				t.Logf("%s: the master of a %s is killed: detected after %.2f s, takeover after %.2f s, events flow %.2f s later", file, kind, detected.Seconds(), tookOver.Seconds(), resumed.Seconds())
				p.awaitMetric("gateway_conserved 1")
			})
		}
	}
}

// flows reports whether all components are up, and each sink at the end of a route has
// delivered more than before. It ignores the sink of dead letters, which gets none.
func flows(list, before []component) bool {
	for i, c := range list {
		switch {
		case !c.Up:
			return false
		case c.Name == "parked" || !slices.Contains([]string{"websocket", "stdout", "webhook", "file"}, c.Type):
		case before == nil && c.Delivered == 0, before != nil && c.Delivered <= before[i].Delivered:
			return false
		}
	}
	return true
}
