package app

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

const measured = `
http: {listen: ":${PORT}"}
sources:
  outbox: {type: postgres-outbox, tables: [orders], url: "${DATABASE_URL}"}
  stream: {type: redis-stream, stream: measured, url: "${REDIS_URL}"}
  notify: {type: postgres-notify, channels: [measured], url: "${DATABASE_URL}", heartbeat: 50ms, origin_time: order.at}
  bus: {type: redis-sub, channels: [measured], url: "${REDIS_URL}", origin_time: order.at}
sinks:
  appended: {type: redis-stream, stream: measured, url: "${REDIS_URL}"}
  published: {type: redis-pub, channel: measured, url: "${REDIS_URL}"}
  browsers: {type: websocket}
  live: {type: websocket, path: /live}
routes:
  append: {from: [outbox], to: [appended]}
  deliver: {from: [stream], to: [browsers]}
  publish: {from: [notify], to: [published]}
  live: {from: [bus], to: [live]}
`

// TestEndToEndLatency proves that the latency is measured from the write of a row: behind an outbox, behind a stream, and from a
// field of the payload behind NOTIFY and Pub/Sub. It also proves that the offset of the server's clock is exported.
func TestEndToEndLatency(t *testing.T) {
	db, client := testenv.Connect(t), testenv.RedisClient(t)
	client.Del(t.Context(), "measured")
	recreate(t, db, outboxSQL())
	r := startGateway(t, writeConfig(t, measured), map[string]string{"DATABASE_URL": testenv.Postgres(t).URL(), "REDIS_URL": testenv.Redis(t).URL()})
	if at, ok := r.metric(`gateway_source_last_event_timestamp_seconds{source="outbox"}`); ok {
		t.Errorf("the last event was at %v, before there was one", at)
	}
	for _, sql := range []string{
		"BEGIN", "INSERT INTO orders (customer_name) VALUES ('x')", "SELECT pg_sleep(0.2)", "COMMIT",
		"SELECT pg_notify('measured', json_build_object('order', json_build_object('at', clock_timestamp() - interval '1 hour'))::text)",
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for sink, atLeast := range map[string]float64{"appended": 0.2, "browsers": 0.2, "published": 3600, "live": 3600} {
		name := func(part string) string {
			return fmt.Sprintf("gateway_end_to_end_latency_seconds_%s{sink=%q}", part, sink)
		}
		testenv.Eventually(t, testenv.Wait, sink+" has delivered", func() bool { n, _ := r.metric(name("count")); return n > 0 })
		n, _ := r.metric(name("count"))
		sum, _ := r.metric(name("sum"))
		if n != 1 || sum < atLeast || sum > atLeast+testenv.Wait.Seconds() {
			t.Errorf("%s: %v events, %v s in all, want about %v", sink, n, sum, atLeast)
		}
		if received, _ := r.metric(fmt.Sprintf("gateway_latency_seconds_sum{sink=%q}", sink)); received >= sum {
			t.Errorf("%s: %v s since the receipt, %v since the origin", sink, received, sum)
		}
	}
	entries, err := client.XRange(t.Context(), "measured", "-", "+").Result()
	if err != nil || len(entries) != 1 {
		t.Fatal(err, entries)
	}
	_, written, _ := strings.Cut(entries[0].Values["id"].(string), "-")
	if us, err := strconv.ParseInt(written, 36, 64); err != nil || entries[0].Values["origin"] != fmt.Sprint(us) {
		t.Errorf("the entry does not have the time of the write: %v", entries[0].Values)
	}
	for _, source := range []string{"outbox", "notify"} {
		name := fmt.Sprintf("gateway_postgres_clock_offset_seconds{source=%q}", source)
		testenv.Eventually(t, testenv.Wait, name, func() bool { _, ok := r.metric(name); return ok })
		if offset, _ := r.metric(name); math.Abs(offset) > testenv.Wait.Seconds() {
			t.Errorf("%s is %v", name, offset)
		}
	}
	for _, source := range []string{"outbox", "stream", "notify", "bus"} {
		at, ok := r.metric(fmt.Sprintf("gateway_source_last_event_timestamp_seconds{source=%q}", source))
		if age := float64(time.Now().UnixMilli())/1000 - at; !ok || age < 0 || age > testenv.Wait.Seconds() {
			t.Errorf("%s: the last event was %v s ago", source, age)
		}
		if n, _ := r.metric(fmt.Sprintf("gateway_source_origin_unknown_total{source=%q}", source)); n != 0 {
			t.Errorf("%s: %v events without an origin time", source, n)
		}
	}
	r.stop()
}

// closedSets are the labels whose values are known from the start.
var closedSets = map[string][]string{
	`gateway_sink_dropped_total{sink="browsers",reason=`:            {"max_block", "drop_oldest", "drop_newest", "latest_per_key", "closed"},
	`gateway_sink_breaker_state{sink="browsers",state=`:             {"closed", "open", "half_open", "disabled"},
	`gateway_websocket_disconnects_total{sink="browsers",reason=`:   {"client", "slow", "stuck", "policy", "auth", "filter", "panic", "shutdown"},
	`gateway_websocket_filters_ended_total{sink="browsers",reason=`: {"time", "behind", "failed"},
	`gateway_websocket_snapshots_total{sink="browsers",result=`:     {"complete", "failed", "cut"},
	`gateway_http_refused_total{listener="shared",reason=`:          {"connections", "address", "proxy_protocol"},
	`gateway_admin_refused_total{reason=`:                           {"secret", "role", "origin", "passwords", "host"},
	`gateway_health{state=`:                                         {"ok", "degraded", "down"},
}

// TestMetricFormats proves that /metrics has all series from the start, with labels by which they join. It answers in the format that
// the scraper asks for: OpenMetrics has exemplars, and Protobuf has native histograms.
func TestMetricFormats(t *testing.T) {
	client := testenv.RedisClient(t)
	client.Del(t.Context(), "traced")
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources: {stream: {type: redis-stream, stream: traced, url: "${REDIS_URL}"}}
sinks: {browsers: {type: websocket, queue: {size: 77, bytes: 1MiB}}}
routes: {deliver: {from: [stream], to: [browsers]}}
`), map[string]string{"REDIS_URL": testenv.Redis(t).URL()})
	series := map[string]bool{}
	for line := range strings.Lines(r.metrics()) {
		if name, labels, ok := strings.Cut(line, "{"); ok {
			labels = labels[:strings.LastIndex(labels, "}")]
			sorted := strings.Split(labels, ",")
			slices.Sort(sorted)
			series[name+" "+strings.Join(sorted, ",")] = true
		}
	}
	has := func(text string) bool {
		name, labels, _ := strings.Cut(strings.TrimSuffix(text, "}"), "{")
		sorted := strings.Split(labels, ",")
		slices.Sort(sorted)
		return series[name+" "+strings.Join(sorted, ",")]
	}
	for begin, values := range closedSets {
		for _, value := range values {
			if !has(fmt.Sprintf("%s%q}", begin, value)) {
				t.Errorf("%s%q} is missing", begin, value)
			}
		}
	}
	for _, text := range []string{
		`gateway_up{kind="sink",component="browsers",sink="browsers"}`, `gateway_up{kind="source",component="stream",source="stream"}`,
		`gateway_failing{kind="route",component="deliver",route="deliver"}`, `gateway_errors_total{kind="sink",component="browsers",sink="browsers"}`,
	} {
		if !has(text) {
			t.Errorf("%s is missing", text)
		}
	}
	size, _ := r.metric(`gateway_sink_queue_capacity_events{sink="browsers"}`)
	bytes, _ := r.metric(`gateway_sink_queue_capacity_bytes{sink="browsers"}`)
	if size != 77 || bytes != 1<<20 {
		t.Errorf("capacity %v events, %v bytes", size, bytes)
	}
	if !strings.Contains(r.metrics(), `gateway_build_info{goversion="go`) {
		t.Error("gateway_build_info is missing")
	}

	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "traced", Values: []any{
		"eventgateway", "1", "data", "{}", "origin", time.Now().Add(-2 * time.Second).UnixMicro(), "attr.traceparent", "00-" + id + "-00f067aa0ba902b7-01",
	}}).Err(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "delivered", func() bool {
		n, _ := r.metric(`gateway_end_to_end_latency_seconds_count{sink="browsers"}`)
		return n == 1
	})
	for accept, want := range map[string]struct{ contentType, text string }{
		"text/plain": {"text/plain; version=0.0.4", `gateway_end_to_end_latency_seconds_bucket{sink="browsers",le="1"} 0`},
		"application/openmetrics-text; version=1.0.0":                                                {"application/openmetrics-text; version=1.0.0", `# {trace_id="` + id + `"} 2`},
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": {"application/vnd.google.protobuf", id},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+r.port+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.HasPrefix(res.Header.Get("Content-Type"), want.contentType) || !strings.Contains(string(body), want.text) {
			t.Errorf("accept %s: %v, %s, and it has not %s", accept, err, res.Header.Get("Content-Type"), want.text)
		}
	}
	r.stop()
}
