package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

// The place in a trace of the application that writes orders.
const (
	appTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	appSpan   = "00f067aa0ba902b7"
	appParent = "00-" + appTrace + "-" + appSpan + "-01"
)

// refusingReceiver is an HTTP receiver that refuses the first requests, and repeats their bodies in its answer.
type refusingReceiver struct {
	refuses int

	mu      sync.Mutex
	headers []http.Header
}

func (m *refusingReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.headers = append(m.headers, r.Header)
	if len(m.headers) <= m.refuses {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.Copy(w, r.Body)
	}
}

// TestTraceOfAnOrder proves that the trace of a transaction continues from the outbox over routes, attempts of a webhook, and a
// stream, to another source. No span has a payload or a secret.
func TestTraceOfAnOrder(t *testing.T) {
	db := testenv.OrdersTable(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("DROP SCHEMA IF EXISTS gateway CASCADE")
	exec(pgtrigger.Outbox{Tables: []pgtrigger.Table{{Schema: "public", Name: "orders"}}}.CreateSQL())
	redis := testenv.RedisClient(t)
	if err := redis.Del(testenv.Context(t), "traced").Err(); err != nil {
		t.Fatal(err)
	}
	m := &refusingReceiver{refuses: 2}
	shop := httptest.NewServer(m)
	defer shop.Close()
	traces := testenv.NewTraceReceiver(t)
	g := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}"}
tracing: {endpoint: %q, headers: {X-Token: collector-secret}}
sources:
  orders_db: {type: postgres-outbox, url: "${DATABASE_URL}", tables: [orders]}
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: traced, from: start}
sinks:
  shop: {type: webhook, url: %q, allow: [127.0.0.1], headers: {Authorization: Bearer shop-secret}, retry: {initial: 1ms, max: 1ms}}
  bus: {type: redis-stream, url: "${REDIS_URL}", stream: traced}
  archive: {type: file, path: %q}
routes:
  publish: {from: [orders_db], to: [shop, bus]}
  deliver: {from: [stream], to: [archive]}
`, traces.URL, shop.URL, filepath.Join(t.TempDir(), "orders.jsonl"))), nil)
	exec(`BEGIN; SET LOCAL eventgateway.traceparent = '` + appParent + `'; INSERT INTO orders (customer_name, product_name, status) VALUES ('card-4111', 'card-4111', 'pending'); COMMIT`)

	last := traces.Await(t, "the write of the archive", func(s testenv.Span) bool { return s.Name == "sink archive" && s.TraceID == appTrace })
	testenv.Eventually(t, testenv.Wait, "three attempts", func() bool { return len(named(traces, "sink shop")) == 3 })
	g.stop()
	source, route, bus := only(t, traces, "source orders_db"), only(t, traces, "route publish"), only(t, traces, "sink bus")
	stream, deliver := only(t, traces, "source stream"), only(t, traces, "route deliver")
	for _, hop := range []struct{ span, parent string }{{source.Parent, appSpan}, {route.Parent, source.ID}, {bus.Parent, route.ID},
		{stream.Parent, route.ID}, {deliver.Parent, stream.ID}, {last.Parent, deliver.ID}} {
		if hop.span != hop.parent {
			t.Errorf("a parent is %s, want %s", hop.span, hop.parent)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	attempts := named(traces, "sink shop")
	slices.SortFunc(attempts, func(a, b testenv.Span) int { return int(a.StartTimeUnixNano - b.StartTimeUnixNano) })
	for i, s := range attempts {
		outcome, message := "retry", "POST "+shop.URL+" answered 500 Internal Server Error: ***"
		if i == 2 {
			outcome, message = "delivered", ""
		}
		if s.Parent != route.ID || s.TraceID != appTrace || s.Attrs["gateway.attempt"] != fmt.Sprint(i+1) || s.Attrs["gateway.outcome"] != outcome || s.Status.GetMessage() != message {
			t.Errorf("attempt %d: %v", i+1, s)
		}
		if got, want := m.headers[i].Get("Traceparent"), "00-"+appTrace+"-"+s.ID+"-01"; got != want {
			t.Errorf("attempt %d has the header %s, want %s", i+1, got, want)
		}
	}
	entries, err := redis.XRange(testenv.Context(t), "traced", "-", "+").Result()
	if want := "00-" + appTrace + "-" + route.ID + "-01"; err != nil || len(entries) != 1 || entries[0].Values["attr.traceparent"] != want {
		t.Errorf("entries %v, want the field %s: %v", entries, want, err)
	}
	for _, s := range traces.Spans() {
		if s.TraceID != appTrace || len(s.Links) > 0 || s.Attrs["messaging.batch.message_count"] != "1" {
			t.Errorf("span %v", s)
		}
	}
	for _, text := range []string{"4111", "secret", "customer_name"} {
		if traces.Contains(text) {
			t.Errorf("%s is in a span", text)
		}
	}
}

// named returns the spans of a name.
func named(r *testenv.TraceReceiver, name string) (found []testenv.Span) {
	for _, s := range r.Spans() {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// only returns the only span of a name.
func only(t *testing.T, r *testenv.TraceReceiver, name string) testenv.Span {
	t.Helper()
	found := named(r, name)
	if len(found) != 1 {
		t.Fatalf("%d spans %s", len(found), name)
	}
	return found[0]
}

// TestReceiverOfTracesIsAway proves that a receiver of traces that is away for the whole time costs no event, and that all
// spans are counted as dropped.
func TestReceiverOfTracesIsAway(t *testing.T) {
	t.Parallel()
	const total = 3000
	file := filepath.Join(t.TempDir(), "made.jsonl")
	g := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}"}
tracing: {endpoint: "http://127.0.0.1:%d"}
sources:
  made: {type: generate, rate: 0, count: %d}
sinks:
  kept: {type: file, path: %q, sync: never}
routes:
  all: {from: [made], to: [kept]}
`, testenv.FreePort(t), total, file)), nil)
	testenv.Eventually(t, testenv.Wait, "all delivered", func() bool { return g.sink("kept").Delivered == total })
	metrics := g.metrics()
	if !strings.Contains(metrics, "gateway_trace_spans_exported_total 0\n") {
		t.Errorf("metrics:\n%s", metrics)
	}
	g.stop()
	families, err := g.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	dropped := 0.0
	for _, f := range families {
		if f.GetName() == "gateway_trace_spans_dropped_total" {
			for _, one := range f.Metric {
				dropped += one.GetCounter().GetValue()
			}
		}
	}
	if dropped < 3 { // one of each hop
		t.Errorf("%v spans are counted as dropped", dropped)
	}
	text, err := os.ReadFile(file)
	if n := strings.Count(string(text), "\n"); err != nil || n != total {
		t.Errorf("%d lines: %v", n, err)
	}
}

// TestReloadOfTracing proves that a reload turns tracing on for components that run on, with traces of payloads, and off again.
func TestReloadOfTracing(t *testing.T) {
	t.Parallel()
	traces := testenv.NewTraceReceiver(t)
	dir := t.TempDir()
	text := func(tracing string) string {
		return fmt.Sprintf(`
http: {listen: "127.0.0.1:0"}
%s
sources:
  made: {type: generate, rate: 200, template: '{"order":{"traceparent":"%s"}}', traceparent: order.traceparent}
sinks:
  kept: {type: file, path: %q, sync: never}
routes:
  all: {from: [made], to: [kept]}
`, tracing, appParent, filepath.Join(dir, "made.jsonl"))
	}
	file := writeConfig(t, text(""))
	g := startGateway(t, file, nil)
	g.reloadable(file, nil)
	reload := func(tracing string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text(tracing)), 0o600); err != nil {
			t.Fatal(err)
		}
		if result := g.reload(context.Background(), "test"); !result.Successful {
			t.Fatal(result.Error)
		}
	}
	before := g.source("made").Gaps
	delivered := g.sink("kept").Delivered
	testenv.Eventually(t, testenv.Wait, "delivered while off", func() bool { return g.sink("kept").Delivered > delivered })
	if n := len(traces.Requests()); n != 0 {
		t.Errorf("%d requests while tracing is off", n)
	}
	reload("tracing: {endpoint: " + traces.URL + ", sample: 0}")
	s := traces.Await(t, "a write", func(s testenv.Span) bool { return s.Name == "sink kept" })
	if s.TraceID != appTrace {
		t.Errorf("span %v", s)
	}
	reload("")
	g.traces.leaving.Wait()
	n := len(traces.Spans())
	delivered = g.sink("kept").Delivered
	testenv.Eventually(t, testenv.Wait, "delivered while off", func() bool { return g.sink("kept").Delivered > delivered })
	if len(traces.Spans()) != n || g.source("made").Gaps != before {
		t.Errorf("spans after tracing was turned off, or the source was replaced")
	}
	g.stop()
}
