package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// rollingClientsConfig configures two gateways with a durable chain, from an outbox by a stream to clients that resume, and a live
// one, from Redis Pub/Sub to clients.
const rollingClientsConfig = `
shutdown_delay: 1s
http: {listen: "127.0.0.1:${PORT}"}
sources:
  changes: {type: postgres-outbox, url: "${DATABASE_URL}", tables: [rolled], leader: rolling}
  stored: {type: redis-stream, url: "${REDIS_URL}", stream: rolled, name: "${NAME}"}
  news: {type: redis-sub, url: "${REDIS_URL}", channels: [rolled]}
transforms:
  shape: {type: map, fields: {n: order.n, customer: order.customer}}
sinks:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: rolled, maxlen: 0, dead_letter: refused}
  refused: {type: file, path: "refused-${NAME}.jsonl"}
  durable:
    type: websocket
    auth: {tokens: {admin: admin-00000000000000000000000000000000%s}}
    authorize: customer == claims.sub || claims.sub == "admin"
    history: {from_source: 10m, events: 200000, bytes: 64MiB}
    max_lag: {events: 200000, bytes: 64MiB}
  live: {type: websocket, path: /live, max_lag: {events: 200000, bytes: 64MiB}}
routes:
  capture: {from: [changes], through: [shape], to: [stream], dead_letter: refused}
  deliver: {from: [stored], to: [durable]}
  announce: {from: [news], to: [live]}
`

// haproxyConfig balances connections between the gateways that are ready.
const haproxyConfig = `
global
  maxconn 4000
defaults
  mode http
  retries 3
  option redispatch
  timeout connect 30s
  timeout client 60s
  timeout server 60s
  timeout check 10s
  timeout tunnel 1h
listen gateways
  bind 127.0.0.1:%d
  balance leastconn
  option httpchk GET /readyz
  default-server check inter 100ms fall 2 rise 1
  server a 127.0.0.1:%s
  server b 127.0.0.1:%s
listen state
  bind 127.0.0.1:%d
  stats enable
  stats uri /
`

// TestRollingRestart proves that two gateways behind HAProxy are replaced one after the other, under load, and nothing is lost: each
// client of the durable chain gets each change of its subscription, in order, and resumes with recovered true. Each client of the live chain
// is told where changes may be missing, and misses none elsewhere. Each client is told that its gateway stops.
// ROLLING_CLIENTS sets the number of clients of the durable chain.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	clients := times("ROLLING_CLIENTS", 100)
	live := min(clients/10, 20)
	_, redisPort := testenv.StartRedis(t)
	balancer, state := testenv.FreePort(t), testenv.FreePort(t)
	r := &replicas{
		t: t, gateways: map[string]*program{}, config: filepath.Join(t.TempDir(), "gateway.yaml"), redis: fmt.Sprintf("127.0.0.1:%d", redisPort),
		ports: map[string]string{"a": strconv.Itoa(testenv.FreePort(t)), "b": strconv.Itoa(testenv.FreePort(t))}, database: testenv.Database(t, "rolling", "UTF8"),
	}
	r.client = redis.NewClient(&redis.Options{Addr: r.redis})
	defer r.client.Close()
	r.write = rolledRows(t, r)
	r.balance = func(name, address string) {
		if address != "" { // HAProxy sees by itself which gateway stops
			awaitHAProxy(t, state, name)
		}
	}
	tokens := ""
	for c := range replicaCustomers {
		tokens += fmt.Sprintf(", c%d: %s", c, replicaToken(c))
	}
	writeFile(t, r.config, fmt.Sprintf(rollingClientsConfig, tokens))
	haproxy := filepath.Join(t.TempDir(), "haproxy.cfg")
	writeFile(t, haproxy, fmt.Sprintf(haproxyConfig, balancer, r.ports["a"], r.ports["b"], state))
	testenv.StartProxy(t, balancer, "haproxy", "-db", "-f", haproxy)
	r.start("a")
	r.start("b")
	r.write(1, 100)

	ctx, cancel := context.WithCancel(testenv.Context(t))
	defer cancel()
	all, done := make([]*replicaClient, clients+live), sync.WaitGroup{}
	for i := range all {
		c := newReplicaClient(t, fmt.Sprintf("127.0.0.1:%d", balancer), i)
		c.repeats = true // at least once
		if i >= clients {
			c.live, c.path, c.query, c.is = true, "live", nil, func(int) bool { return true }
		}
		all[i] = c
		done.Go(func() { c.run(ctx) })
	}
	for _, c := range all {
		<-c.joined
	}
	last := r.load(func() {
		r.restart("a", syscall.SIGTERM)
		r.restart("b", syscall.SIGTERM)
	})
	for _, c := range all {
		c.end.Store(int64(last))
		c.awaitEnd(ctx)
	}
	cancel()
	done.Wait()
	resumed, told, repeated, cuts, goodbyes := 0, 0, 0, 0, 0
	for _, c := range all {
		switch {
		case c.failure != "":
			t.Errorf("client %d, %s: %s", c.number, c.query, c.failure)
		case c.live && c.told == 0:
			t.Errorf("client %d of the live chain was not told of a gap", c.number)
		case !c.live && c.resumed.Load() == 0:
			t.Errorf("client %d of the durable chain has not resumed", c.number)
		case c.goodbyes == 0:
			t.Errorf("client %d was not told that its gateway stops", c.number)
		}
		resumed, told, repeated, cuts, goodbyes = resumed+int(c.resumed.Load()), told+c.told, repeated+c.repeated, cuts+c.cuts, goodbyes+c.goodbyes
	}
	t.Logf("%d and %d clients, %d changes, %d times resumed, %d gaps, %d changes again, %d goodbyes, %d connections cut", clients, live, last, resumed, told, repeated, goodbyes, cuts)
	for _, p := range r.gateways {
		p.awaitMetric("gateway_conserved 1")
		stopProgram(t, p)
	}
}

// rolledRows creates the table whose changes the gateways capture, and returns a function that inserts rows and publishes the same.
func rolledRows(t *testing.T, r *replicas) func(first, last int) {
	t.Helper()
	db := testenv.ConnectURL(t, r.database)
	if _, err := db.Exec(t.Context(), "CREATE TABLE rolled (n int PRIMARY KEY, customer text)"); err != nil {
		t.Fatal(err)
	}
	if code := startBinary(t, map[string]string{"DATABASE_URL": r.database}, "sql", "--mode", "outbox", "--table", "rolled", "--apply").exit(testenv.Wait); code != 0 {
		t.Fatalf("gateway sql: exit status %d", code)
	}
	return func(first, last int) {
		if _, err := db.Exec(t.Context(), "INSERT INTO rolled SELECT n, 'c' || n % $3 FROM generate_series($1::int, $2::int) n", first, last, replicaCustomers); err != nil {
			t.Error(err)
		}
		pipe := r.client.Pipeline()
		for n := first; n <= last; n++ {
			pipe.Publish(t.Context(), "rolled", fmt.Sprintf(`{"n":%d}`, n))
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// awaitHAProxy waits until HAProxy sends connections to a server.
func awaitHAProxy(t *testing.T, port int, server string) {
	t.Helper()
	var body string
	testenv.Eventually(t, testenv.Wait, "HAProxy to use "+server, func() bool {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/;csv", port))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body) // cut short, it has no such line
		body = string(text)
		for line := range strings.Lines(body) {
			if fields := strings.Split(line, ","); len(fields) > 17 && fields[0] == "gateways" && fields[1] == server {
				return fields[17] == "UP"
			}
		}
		return false
	}, func() string { return body })
}
