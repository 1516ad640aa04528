package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// frozenWithin bounds the detection of a connection without bytes.
const frozenWithin = 10 * time.Second

// TestPostgresOutagesAreGaps proves that events flow again after each kind of loss of the connection to PostgreSQL,
// and that the gap is counted.
func TestPostgresOutagesAreGaps(t *testing.T) {
	db := testenv.OrdersTable(t)
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	for _, fault := range []struct {
		name   string
		within time.Duration
		inject func(t *testing.T)
	}{
		{"sessions terminated", 5 * time.Second, func(t *testing.T) {
			tag, err := db.Exec(testenv.Context(t), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'")
			if err != nil || tag.RowsAffected() != 2 { // the sessions of LISTEN and of the leader
				t.Fatalf("%v sessions terminated, %v", tag.RowsAffected(), err)
			}
		}},
		{"connection cut", 5 * time.Second, func(*testing.T) { proxy.Cut() }},
		{"connection frozen", frozenWithin, func(t *testing.T) { t.Cleanup(proxy.Freeze()) }},
		{"server restarted", 15 * time.Second, func(t *testing.T) {
			pg := testenv.Postgres(t)
			if err := pg.Stop(testenv.Context(t)); err != nil {
				t.Fatal(err)
			}
			if err := pg.Start(testenv.Context(t)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			r := startLeading(t, map[string]string{"DATABASE_URL": url})
			c := r.connect()
			insert := func(name string) { // a connection of its own: the server may have been restarted
				conn := testenv.Connect(t)
				defer conn.Close(context.Background())
				if _, err := conn.Exec(testenv.Context(t), "INSERT INTO orders (customer_name) VALUES ($1)", name); err != nil {
					t.Fatal(err)
				}
			}
			insert("before")
			c.next()
			start := time.Now()
			fault.inject(t)
			testenv.Eventually(t, fault.within, "gap counted", func() bool { return r.gaps("orders_db") == 1 })
			insert("after")
			unstamp(t, c.next())
			t.Logf("back after %v", time.Since(start).Round(time.Millisecond))
			if s := r.source("orders_db"); !s.Up || s.Errors == 0 || s.LastError == "" || s.Gaps-s.GapsAtStart != 1 {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

// TestRedisOutagesAreGaps proves the same for Redis, which both the sink bus and the source orders_bus
// use. Orders that are inserted during the outage are published after it.
func TestRedisOutagesAreGaps(t *testing.T) {
	db := testenv.OrdersTable(t)
	proxy, url := testenv.ProxyURL(t, testenv.Redis(t).URL())
	for _, fault := range []struct {
		name   string
		within time.Duration
		inject func(t *testing.T)
	}{
		{"clients killed", 5 * time.Second, func(t *testing.T) {
			if err := testenv.RedisClient(t).Do(testenv.Context(t), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		}},
		{"connections cut", 5 * time.Second, func(*testing.T) { proxy.Cut() }},
		{"connections frozen", frozenWithin, func(t *testing.T) { t.Cleanup(proxy.Freeze()) }},
		{"server restarted", 15 * time.Second, func(t *testing.T) {
			s := testenv.Redis(t)
			if err := s.Stop(testenv.Context(t)); err != nil {
				t.Fatal(err)
			}
			if err := s.Start(testenv.Context(t)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			r := startLeading(t, map[string]string{"REDIS_URL": url})
			c := r.connect()
			insert := func(n int) {
				if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (customer_name) VALUES ($1)", fmt.Sprint(n)); err != nil {
					t.Fatal(err)
				}
			}
			insert(0)
			c.next()
			start := time.Now()
			fault.inject(t)
			testenv.Eventually(t, fault.within, "gap counted", func() bool { return r.gaps("orders_bus") == 1 })
			for n := range 10 {
				insert(n)
			}
			_, first := unstamp(t, c.next())
			for n := 1; n < 10; n++ {
				if _, id := unstamp(t, c.next()); id != first+n {
					t.Fatalf("_pub_id %d after %d", id, first+n-1)
				}
			}
			t.Logf("back after %v", time.Since(start).Round(time.Millisecond))
			if s := r.sink("bus"); s.In != 11 || s.DeadLettered != 0 || s.Dropped["max_block"] != 0 {
				t.Errorf("sink bus: %+v", s)
			}
		})
	}
}
