package app

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

const lagging = `
http: {listen: ":${PORT}"}
sources:
  outbox: {type: postgres-outbox, tables: [orders], url: "${DATABASE_URL}"}
  stream: {type: redis-stream, stream: lagging, url: "${REDIS_URL}"}
  notify: {type: postgres-notify, channels: [x], url: "${DATABASE_URL}", heartbeat: 50ms}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [outbox, stream, notify], to: [browsers]}
`

// metric returns the value of a metric, as "name{labels}"; ok is false where it is not exported.
func (r *running) metric(name string) (value float64, ok bool) {
	r.t.Helper()
	lines := bufio.NewScanner(strings.NewReader(r.metrics()))
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), name+" "); found {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return value, true
		}
	}
	return 0, false
}

// TestLagDuringOutage proves that, while the servers of sources are away, no lag is exported as 0 and no source is up
// for a moment.
func TestLagDuringOutage(t *testing.T) {
	pg := testenv.StartPostgres(t, "-c", "synchronous_commit=on")
	redis, _ := testenv.StartRedis(t)
	db, err := pgx.Connect(t.Context(), pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	recreate(t, db, outboxSQL())
	db.Close(t.Context())
	r := startGateway(t, writeConfig(t, lagging), map[string]string{"DATABASE_URL": pg.URL(), "REDIS_URL": redis.URL()})

	ages := []string{`gateway_outbox_lag_seconds{source="outbox"}`, `gateway_outbox_oldest_seconds{source="outbox"}`, `gateway_redis_stream_lag_seconds{source="stream"}`}
	values := []string{`gateway_outbox_lag_rows{source="outbox"}`, `gateway_outbox_gaps{source="outbox"}`, `gateway_postgres_notification_queue_usage{source="notify"}`}
	sources := []string{"outbox", "stream", "notify"}
	measured := func() bool {
		for _, name := range append(ages, values...) {
			if value, ok := r.metric(name); !ok || value != 0 {
				return false
			}
		}
		return true
	}
	testenv.Eventually(t, testenv.Wait, "nothing lags", measured)

	redis.Kill()
	if err := pg.Crash(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		testenv.Eventually(t, detectedWithin, name+" shown down", func() bool { return !r.source(name).Up })
		down := r.source(name)
		testenv.Eventually(t, testenv.Wait, name+" was tried again", func() bool {
			s := r.source(name)
			if s.Up || !s.Since.Equal(down.Since) || !s.Failing || s.LastError == "" {
				t.Fatalf("its server is away since %v: %+v", down.Since, s)
			}
			return s.Errors > down.Errors+3
		})
		if up, _ := r.metric(fmt.Sprintf(`gateway_up{component=%q,kind="source",source=%q}`, name, name)); up != 0 {
			t.Errorf("gateway_up of %s is %v", name, up)
		}
	}
	before := map[string]float64{}
	for _, name := range ages {
		value, ok := r.metric(name)
		if !ok || value <= 0 {
			t.Errorf("%s is %v while its server is away", name, value)
		}
		before[name] = value
	}
	for _, name := range values {
		if value, ok := r.metric(name); ok {
			t.Errorf("%s is %v although it is unknown", name, value)
		}
	}
	time.Sleep(100 * time.Millisecond) // so that the age grows
	for _, name := range ages {
		if value, _ := r.metric(name); value < before[name]+0.09 {
			t.Errorf("%s is %v, and was %v: it does not grow", name, value, before[name])
		}
	}

	if err := redis.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	if err := pg.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "nothing lags again", measured)
	for _, name := range sources {
		if s := r.source(name); !s.Up || s.Failing || s.Attempts != 0 || s.LastError == "" {
			t.Errorf("it works again, and the error is past: %+v", s)
		}
	}
	r.stop()
}
