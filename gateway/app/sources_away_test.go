package app

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

const fourSources = `
http: {listen: ":${PORT}"}
sources:
  outbox: {type: postgres-outbox, url: "${DATABASE_URL}", tables: [orders]}
  notify: {type: postgres-notify, url: "${DATABASE_URL}", channels: [orders_channel]}
  sub: {type: redis-sub, url: "${REDIS_URL}", channels: [c]}
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: s, name: g}
transforms:
  none: {type: filter, when: "false", on_error: drop}
sinks:
  nothing: {type: stdout}
routes:
  all: {from: [outbox, notify, sub, stream], through: [none], to: [nothing]}
`

// outage is the length of the outages, after which the pauses between attempts have reached their
// bound.
const outage = 4 * time.Second

// writeToBoth writes to both servers until the test ends, also during outages.
func writeToBoth(t *testing.T, postgres, server string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var load sync.WaitGroup
	t.Cleanup(func() { cancel(); load.Wait() })
	client := connectTo(t, server)
	load.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
			_ = client.Publish(ctx, "c", "x").Err() // the server may be away
			_ = client.XAdd(ctx, &redis.XAddArgs{Stream: "s", Values: []string{"data", "x"}}).Err()
		}
	})
	load.Go(func() {
		for ctx.Err() == nil {
			conn, err := pgx.Connect(ctx, postgres)
			for err == nil && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
				_, err = conn.Exec(ctx, "INSERT INTO orders (customer_name) VALUES ('x')")
			}
			if conn != nil {
				_ = conn.Close(context.Background()) // the server is away
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// TestSourcesAway proves that the status shows killed servers and silent connections of all sources, and that
// events flow again soon after their return.
func TestSourcesAway(t *testing.T) {
	pg := testenv.StartPostgres(t, "-c", "synchronous_commit=on") // else the table may go with the crash
	server, _ := testenv.StartRedis(t)
	conn, err := pgx.Connect(t.Context(), pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	o := pgtrigger.Outbox{Tables: []pgtrigger.Table{{Schema: "public", Name: "orders"}}}
	if _, err := conn.Exec(t.Context(), testenv.OldTrigger+o.CreateSQL()); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context()) // the server is killed below
	pgProxy, pgURL := testenv.ProxyURL(t, pg.URL())
	redisProxy, redisURL := testenv.ProxyURL(t, server.URL())
	r := startGateway(t, writeConfig(t, fourSources), map[string]string{"DATABASE_URL": pgURL, "REDIS_URL": redisURL})
	writeToBoth(t, pg.URL(), server.URL())
	all := []string{"outbox", "notify", "sub", "stream"}
	flowing := func(within time.Duration, since time.Time) {
		t.Helper()
		before := map[string]uint64{}
		for _, name := range all {
			before[name] = r.source(name).Emitted
		}
		for _, name := range all {
			testenv.Eventually(t, within, name+" flowing", func() bool { s := r.source(name); return s.Up && s.Emitted > before[name]+2 })
			t.Logf("%s: flows after %.2f s", name, time.Since(since).Seconds())
		}
	}
	flowing(testenv.Wait, time.Now())
	shown := func(within time.Duration, since time.Time, errors map[string]uint64) {
		t.Helper()
		for _, name := range all {
			testenv.Eventually(t, within, name+" shown", func() bool { s := r.source(name); return s.Errors > errors[name] && s.LastError != "" })
			t.Logf("%s: shown after %.2f s: %s", name, time.Since(since).Seconds(), r.source(name).LastError)
		}
	}
	errors := func() map[string]uint64 {
		e := map[string]uint64{}
		for _, name := range all {
			e[name] = r.source(name).Errors
		}
		return e
	}
	for _, fault := range []struct {
		name string
		run  func()
	}{
		{"killed", func() {
			before, since := errors(), time.Now()
			server.Kill()
			if err := pg.Crash(testenv.Context(t)); err != nil {
				t.Fatal(err)
			}
			shown(detectedWithin, since, before)
			time.Sleep(time.Until(since.Add(outage)))
			for _, start := range []func(context.Context) error{server.Start, pg.Start} {
				if err := start(testenv.Context(t)); err != nil {
					t.Fatal(err)
				}
			}
			flowing(resumedWithin, time.Now())
		}},
		{"silent", func() {
			before, since := errors(), time.Now()
			defer pgProxy.Freeze()()
			defer redisProxy.Freeze()()
			shown(frozenWithin, since, before)
			flowing(resumedWithin, time.Now())
		}},
	} {
		t.Run(fault.name, func(t *testing.T) { fault.run() })
	}
}
