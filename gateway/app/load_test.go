package app

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// TestManyNotificationsArriveInOrder proves the order of 100,000 notifications in transactions of 1,000.
func TestManyNotificationsArriveInOrder(t *testing.T) {
	const total = 100_000
	db := testenv.Connect(t)
	r := startLeading(t, nil)
	c := r.connect()
	sent := make(chan error, 1)
	go func() {
		for from := 0; from < total; from += 1000 {
			_, err := db.Exec(testenv.Context(t), `SELECT pg_notify('orders_channel', json_build_object('operation', 'INSERT', 'order',
				json_build_object('id', n, 'note', repeat('x', 250)))::text) FROM generate_series($1::int, $2::int) n`, from, from+999)
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	last := 0
	for n := range total {
		object, id := unstampFast(t, c.next())
		if !strings.HasPrefix(object, `{"operation" : "INSERT", "order" : {"id" : `+strconv.Itoa(n)+`,`) {
			t.Fatalf("message %d is %s", n, object)
		}
		if n > 0 && id != last+1 {
			t.Fatalf("message %d has _pub_id %d after %d", n, id, last)
		}
		last = id
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if s := r.sink("browsers"); s.In != total {
		t.Errorf("sink browsers: %+v", s)
	}
}

// unstampFast is like unstamp, but without a regular expression.
func unstampFast(t *testing.T, frame string) (object string, id int) {
	object, stamp, ok := strings.Cut(frame, `,"_published_at":`)
	_, number, ok2 := strings.Cut(stamp, `"_pub_id":`)
	id, err := strconv.Atoi(strings.TrimSuffix(number, "}"))
	if !ok || !ok2 || err != nil {
		t.Fatalf("not a published message: %s", frame)
	}
	return object, id
}

// TestBurstReachesEveryClient proves that 100 clients of the default configuration get a burst of 10,000
// messages, in order.
func TestBurstReachesEveryClient(t *testing.T) {
	const clients, messages = 100, 10_000
	redis := testenv.RedisClient(t)
	r := startLeading(t, nil)
	var readers sync.WaitGroup
	for range clients {
		c := r.connect()
		readers.Go(func() {
			c.SetReadDeadline(time.Now().Add(2 * testenv.Wait))
			for n := range messages {
				_, msg, err := c.ReadMessage()
				if err != nil {
					t.Errorf("after %d messages: %v", n, err)
					return
				}
				if number, _, _ := strings.Cut(string(msg), " "); number != strconv.Itoa(n) {
					t.Errorf("message %d is %s", n, msg)
					return
				}
			}
		})
	}
	ctx := testenv.Context(t)
	pipe := redis.Pipeline()
	for n := range messages {
		pipe.Publish(ctx, "orders_updates", fmt.Sprintf("%d %s", n, strings.Repeat("x", 300)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	if s := r.source("orders_bus"); s.Gaps-s.GapsAtStart != 0 || s.Emitted != messages {
		t.Errorf("source orders_bus: %+v", s)
	}
}

// lagConfig returns a configuration with a bound of the time of a write, and one of the lag of a client.
func lagConfig(writeTimeout, maxLag string) string {
	return strings.NewReplacer("WRITE_TIMEOUT", writeTimeout, "MAX_LAG", maxLag).Replace(lagFile)
}

const lagFile = `
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates]}
sinks:
  browsers:
    type: websocket
    path: /
    welcome: {type: welcome, msg: Connected to orders updates}
    max_lag: {events: MAX_LAG, bytes: 1GiB}
    write_timeout: WRITE_TIMEOUT
routes:
  deliver: {from: [bus], to: [browsers]}
`

// TestClientThatDoesNotReadIsEvicted proves that such a client is evicted, and that another one gets all events.
func TestClientThatDoesNotReadIsEvicted(t *testing.T) {
	for _, tc := range []struct{ name, timeout, lag, reason string }{
		{"stuck write", "500ms", "10000000", "stuck"},
		{"too far behind", "5m", "5000", "slow"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			redis := testenv.RedisClient(t)
			r := startGateway(t, writeConfig(t, lagConfig(tc.timeout, tc.lag)), nil)
			healthy := r.connect()
			lazy, err := net.Dial("tcp", "127.0.0.1:"+r.port)
			if err != nil {
				t.Fatal(err)
			}
			defer lazy.Close()
			fmt.Fprintf(lazy, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			testenv.Eventually(t, testenv.Wait, "two clients", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 2`) })

			gone := `gateway_websocket_disconnects_total{reason="` + tc.reason + `",sink="browsers"} 1`
			payload := strings.Repeat("x", 2000)
			for sent, begin := 0, time.Now(); !strings.Contains(r.metrics(), gone); {
				if time.Since(begin) > testenv.Wait {
					t.Fatalf("not disconnected after %d messages; metrics:\n%s", sent, r.metrics())
				}
				pipe := redis.Pipeline()
				for range 200 {
					pipe.Publish(testenv.Context(t), "orders_updates", payload)
				}
				if _, err := pipe.Exec(testenv.Context(t)); err != nil {
					t.Fatal(err)
				}
				for range 200 {
					if got := healthy.next(); got != payload {
						t.Fatalf("after %d messages the healthy client got %q", sent, got)
					}
					sent++
				}
			}
			if !strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 1`) {
				t.Error("the client is still counted")
			}
		})
	}
}

func (r *running) metrics() string {
	status, body := r.get("/metrics")
	if status != 200 {
		r.t.Fatalf("/metrics answers %d: %.2000s", status, body)
	}
	return body
}
