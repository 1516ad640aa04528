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

// The promise for servers of one's own is a second until an outage shows, and two from the
// server's return until the flow is back. A busy machine gets more.
const (
	shownWithin = 5 * time.Second
	backWithin  = 8 * time.Second
)

// component is what /api/status says of a source or a sink.
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
	begin := time.Now()
	for !holds(p.components()) {
		if time.Since(begin) > within {
			p.t.Fatalf("not %s after %v: %+v", what, within, p.components())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begin)
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
	shop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(shop.Close)
	dir := t.TempDir()
	o := &outages{t: t, servers: map[string]killable{
		"postgres": {func() error { return pg.Crash(testenv.Context(t)) }, func() error { return pg.Start(testenv.Context(t)) }},
		"redis":    {func() error { bus.Kill(); return nil }, func() error { return bus.Start(testenv.Context(t)) }},
	}, env: map[string]string{"DATABASE_URL": pg.URL(), "REDIS_URL": bus.URL(), "WEBHOOK_URL": shop.URL,
		"PARKED_FILE": filepath.Join(dir, "parked"), "AUDIT_FILE": filepath.Join(dir, "audit")}}
	db, err := pgx.Connect(testenv.Context(t), pg.URL())
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
	return o
}

// load inserts rows and publishes orders, about 100 each in a second, until the test ends. It goes
// on through outages.
func (o *outages) load() {
	ctx, cancel := context.WithCancel(context.Background())
	inserts, publishes := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(inserts)
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
	}()
	options, err := redis.ParseURL(o.env["REDIS_URL"])
	if err != nil {
		o.t.Fatal(err)
	}
	client := redis.NewClient(options)
	go func() {
		defer close(publishes)
		for n := 0; ctx.Err() == nil; n++ {
			time.Sleep(10 * time.Millisecond) // the rate
			operation := []string{"INSERT", "UPDATE", "DELETE"}[n%3]
			amount := 1 + n%2*1000
			_ = client.Publish(ctx, "orders_updates", fmt.Sprintf(`{"operation":%q,"order":{"id":%d,"customer_name":"x","amount":%d}}`, operation, n, amount)).Err() // it may be away
		}
	}()
	o.t.Cleanup(func() { cancel(); <-inserts; <-publishes; client.Close() })
}

// TestOutages kills PostgreSQL, and Redis, under load. Each source and each sink that uses the
// server is shown as down soon, and the flow is back soon after the server is. OUTAGES
// is a list of seconds, for every ready configuration; without it two are tested for 2 s.
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
	p := startBinary(t, o.env, "-c", absolute(t, file))
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
	o.load()
	p.await("flowing", testenv.Wait, func(list []component) bool {
		return flows(list, nil) && !slices.ContainsFunc(list, func(c component) bool { return c.Leader != nil && c.Leader.State != "leader" })
	})
	for server, s := range o.servers {
		users := func(c component) bool { return strings.HasPrefix(c.Type, server) }
		if !slices.ContainsFunc(p.components(), users) {
			continue
		}
		for _, length := range lengths {
			seconds, err := strconv.ParseFloat(length, 64)
			if err != nil {
				t.Fatal(err)
			}
			since := time.Now()
			if err := s.kill(); err != nil {
				t.Fatal(err)
			}
			p.await(server+" shown", shownWithin, func(list []component) bool {
				return !slices.ContainsFunc(list, func(c component) bool { return users(c) && (c.Up || c.LastError == "") })
			})
			shown := time.Since(since)
			time.Sleep(time.Until(since.Add(time.Duration(seconds * float64(time.Second))))) // the outage that is tested
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
			before := p.components()
			back := p.await(server+" back", backWithin, func(list []component) bool {
				return flows(list, before)
			})
			t.Logf("%s: %s away for %s s: shown after %.2f s, back %.2f s after it", file, server, length, shown.Seconds(), back.Seconds())
		}
	}
	p.awaitMetric("gateway_conserved 1")
}

// flows reports whether all components are up, and each sink at an end of the pipeline has
// delivered more than before. A sink for dead letters has nothing to deliver.
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
