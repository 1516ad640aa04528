package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

// startInserter inserts orders until stop is called, also after outages. stop returns the id of
// the last order.
func startInserter(t testing.TB) (stop func() (last int)) {
	ctx, cancel := context.WithCancel(context.Background())
	ids, done := make(chan int, 1), make(chan struct{})
	ids <- 0
	go func() {
		defer close(done)
		var conn *pgx.Conn
		for ctx.Err() == nil {
			var err error
			if conn == nil {
				if conn, err = pgx.Connect(ctx, testenv.Postgres(t).URL()); err != nil {
					time.Sleep(5 * time.Millisecond)
					continue
				}
			}
			var id int
			if err = conn.QueryRow(context.Background(), "INSERT INTO orders (customer_name) VALUES ('x') RETURNING id").Scan(&id); err != nil {
				conn.Close(context.Background())
				conn = nil
				continue
			}
			<-ids
			ids <- id
		}
		if conn != nil {
			conn.Close(context.Background())
		}
	}()
	var once sync.Once
	stop = func() int {
		once.Do(func() { cancel(); <-done })
		last := <-ids
		ids <- last
		return last
	}
	t.Cleanup(func() { stop() })
	return stop
}

// TestLostNotificationsReachClientsAsGaps proves that a client of another gateway gets a gap where the publisher of
// the default configuration has missed events.
func TestLostNotificationsReachClientsAsGaps(t *testing.T) {
	testenv.OrdersTable(t)
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	deliverer := startGateway(t, defaultConfig, nil, "deliver")
	publisher := startLeading(t, map[string]string{"DATABASE_URL": url}, "publish")
	testenv.Eventually(t, testenv.Wait, "the gap of the start", func() bool { return deliverer.source("orders_bus").GapsPassedOn == 1 })
	for _, fault := range []struct {
		name   string
		inject func(t *testing.T)
	}{
		{"sessions terminated", func(t *testing.T) {
			conn := testenv.Connect(t)
			defer conn.Close(context.Background())
			if _, err := conn.Exec(testenv.Context(t), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'"); err != nil {
				t.Fatal(err)
			}
		}},
		{"socket cut", func(*testing.T) { proxy.Cut() }},
		{"half-open", func(t *testing.T) { t.Cleanup(proxy.Freeze()) }},
		{"server restarted", func(t *testing.T) {
			pg := testenv.Postgres(t)
			if err := pg.Stop(testenv.Context(t)); err != nil {
				t.Fatal(err)
			}
			if err := pg.Start(testenv.Context(t)); err != nil {
				t.Fatal(err)
			}
		}},
		{"the publisher is replaced by a standby", func(t *testing.T) {
			standby := startGateway(t, defaultConfig, map[string]string{"DATABASE_URL": url}, "publish")
			testenv.Eventually(t, testenv.Wait, "standing by", func() bool { return standby.source("orders_db").Leader.State == "standby" })
			publisher.stop()
			testenv.Eventually(t, testenv.Wait, "leading", func() bool { return standby.source("orders_db").Leader.State == "leader" })
			publisher = standby
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			c := deliverer.connectProtocol()
			stop := startInserter(t)
			c.until("flowing", func() bool { return len(c.numbers) > 0 })
			numbers, _ := c.received()
			before := publisher.source("orders_db").Gaps
			fault.inject(t)
			testenv.Eventually(t, testenv.Wait, "captures again", func() bool {
				s := publisher.source("orders_db")
				return s.Up && (s.Gaps > before || strings.Contains(t.Name(), "standby") && s.Gaps > 0)
			})
			c.until("told", func() bool { return len(c.gaps) > 0 })
			came, gaps := c.received()
			c.until("flowing again", func() bool { return len(c.numbers) > len(came)+10 })
			c.await(stop())
			t.Logf("%d events are missing, gaps %q", c.checkGaps(numbers[0]), gaps)
			if s := deliverer.source("orders_bus"); s.GapsPassedOn == 0 || s.Gaps != 1 {
				t.Errorf("the gap is the publisher's: %+v", s)
			}
		})
	}
	publisher.stop()
}

// TestForeignMessagesAreNotMisread proves that a message of the channel of events is never read as a gap,
// and one of the channel of gaps never as an event. It covers old publishers, old deliverers, and patterns
// that match both channels.
func TestForeignMessagesAreNotMisread(t *testing.T) {
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources:
  all: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates], patterns: ["*"]}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [all], to: [browsers]}
`), nil)
	c := r.connectProtocol()
	client, ctx := testenv.RedisClient(t), testenv.Context(t)
	publish := func(channel, payload string) {
		t.Helper()
		if err := client.Publish(ctx, channel, payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	gap := `{"source":"db","reason":"lost","id":"1","time":"2026-01-02T03:04:05Z"}`
	publish("other", `{"n":1}`)
	c.first()
	publish("other", gap)
	publish("other", `{"type":"gap","reason":"lost","n":1}`)
	publish(redisconn.GapChannel("orders_updates"), `{"n":2}`)
	publish(redisconn.GapChannel("orders_updates"), "no JSON")
	publish(redisconn.GapChannel("orders_updates"), `{"id":"2","reason":"`+strings.Repeat("x", 1<<20)+`"}`)
	publish(redisconn.GapChannel("orders_updates"), gap) // arrives by the channel and by the pattern
	publish("other", `{"n":3}`)
	c.await(3)
	if numbers, gaps := c.received(); fmt.Sprint(numbers, gaps) != "[0 1 3] [lost]" {
		t.Errorf("numbers %v, gaps %q", numbers, gaps)
	}
	for n := range 10_000 { // a flood
		publish(redisconn.SharedGapChannel, fmt.Sprintf(`{"id":"flood %d","reason":"lost"}`, n))
	}
	publish("other", `{"n":4}`)
	c.await(4)
	if n := r.source("all").GapsPassedOn; n > 200 {
		t.Errorf("%d gaps were passed on", n)
	}
}

// TestDropsReachClientsAsGaps proves that each client gets a gap where the queue of its sink has dropped events.
func TestDropsReachClientsAsGaps(t *testing.T) {
	for _, policy := range []string{"drop_oldest", "drop_newest", "latest_per_key"} {
		t.Run(policy, func(t *testing.T) {
			r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [%[1]s], key: string(payload.n %% 20)}
sinks:
  browsers: {type: websocket, queue: {size: 10, when_full: %[1]s}}
routes:
  all: {from: [bus], to: [browsers]}
`, policy)), nil)
			c := r.connectProtocol()
			ctx, last := testenv.Context(t), 1
			if err := testenv.RedisClient(t).Publish(ctx, policy, `{"n":1}`).Err(); err != nil {
				t.Fatal(err)
			}
			c.first()
			for r.sink("browsers").Dropped[policy] == 0 { // the queue is full when the source is faster
				pipe := testenv.RedisClient(t).Pipeline()
				for range 12_000 {
					last++
					pipe.Publish(ctx, policy, fmt.Sprintf(`{"n":%d}`, last))
				}
				if _, err := pipe.Exec(ctx); err != nil {
					t.Fatal(err)
				}
				testenv.Eventually(t, testenv.Wait, "all there", func() bool {
					s := r.sink("browsers")
					return s.In == uint64(last) && s.Waiting() == 0
				})
			}
			if err := testenv.RedisClient(t).Publish(ctx, policy, fmt.Sprintf(`{"n":%d}`, last+1)).Err(); err != nil {
				t.Fatal(err)
			}
			c.await(last + 1)
			numbers, gaps := c.received()
			missing := last - len(numbers) // all but the first one
			if dropped := r.sink("browsers").Dropped[policy]; uint64(missing) != dropped || len(gaps) == 0 {
				t.Errorf("%d events are missing, %d were dropped, gaps %q", missing, dropped, gaps)
			}
			t.Logf("%d events are missing, and %d gaps say so", missing, len(gaps))
		})
	}
}

// TestReloadedSourcesReportGaps proves that a source without a stored position reports a gap when a reload
// replaces it, and that one with a position does not.
func TestReloadedSourcesReportGaps(t *testing.T) {
	for name, want := range map[string]int{"": 1, "me": 0} {
		stream := "reloaded " + rand.Text()
		text := func(after string) string {
			return fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: %[1]q, name: %[2]q, claim_after: %[3]s}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [stream], to: [browsers]}
`, stream, name, after)
		}
		file := writeConfig(t, text("30s"))
		add := func(number int) {
			t.Helper()
			values := []string{"data", fmt.Sprintf(`{"n":%d}`, number)}
			if err := testenv.RedisClient(t).XAdd(testenv.Context(t), &redis.XAddArgs{Stream: stream, Values: values}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		add(1)
		r := startGateway(t, file, nil)
		r.reloadable(file, map[string]string{"PORT": r.port, "REDIS_URL": testenv.Redis(t).URL()})
		c := r.connectProtocol()
		add(2)
		c.first()
		before := r.source("stream").Gaps
		if err := os.WriteFile(file, []byte(text("31s")), 0o600); err != nil {
			t.Fatal(err)
		}
		r.reload(testenv.Context(t), "test")
		testenv.Eventually(t, testenv.Wait, "up again", func() bool { return r.source("stream").Up })
		add(7)
		if want > 0 {
			c.until("told", func() bool { return len(c.gaps) > 0 })
		} else {
			c.await(7)
		}
		_, gaps := c.received()
		if got := r.source("stream").Gaps - before; got != uint64(want) || len(gaps) != want {
			t.Errorf("name %q: %d gaps, the client has %q", name, got, gaps)
		}
	}
}
