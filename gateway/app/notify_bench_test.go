package app

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

const notifications = 50_000

// BenchmarkNotify compares the whole way, from NOTIFY over Redis to WebSocket clients, with a bare loop. The
// loop listens, publishes, subscribes, and writes to one client after the other. The benchmark reports the
// medians of the ratios of alternating runs.
func BenchmarkNotify(b *testing.B) {
	for _, clients := range []int{100, 1} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			for b.Loop() {
				var ratios, rates []float64
				for pair := range fanoutPairs {
					bare := notifyRun(b, clients, func(b *testing.B) (string, func()) {
						port, stop := bareLoop(b)
						deaf := bareListener(b)
						return port, func() { deaf(); stop() }
					})
					ours := notifyRun(b, clients, func(b *testing.B) (string, func()) {
						r := startLeading(b, nil)
						return r.port, r.stop
					})
					ratios, rates = append(ratios, ours/bare), append(rates, ours)
					fmt.Printf("NOTIFY to %d clients, pair %d: gateway %6.0f events/s, bare loop %6.0f/s; ratio %.2f\n", clients, pair, ours, bare, ours/bare)
				}
				b.ReportMetric(median(ratios), "ratio-to-bare")
				b.ReportMetric(median(rates), "events/s")
			}
		})
	}
}

// barePublish numbers and publishes, as the sink redis-pub does.
var barePublish = redis.NewScript(`
local id = redis.call('INCRBY', KEYS[1], #ARGV) - #ARGV
for i = 1, #ARGV do redis.call('PUBLISH', 'orders_updates', ARGV[i] .. (id + i) .. '}') end
return 1`)

// bareListener stamps and publishes notifications, in batches of all that have arrived.
func bareListener(b *testing.B) (stop func()) {
	db := testenv.Connect(b)
	if _, err := db.Exec(b.Context(), "LISTEN orders_channel"); err != nil {
		b.Fatal(err)
	}
	client := testenv.RedisClient(b)
	ctx, cancel := context.WithCancel(context.Background())
	queue := make(chan string, 10_000)
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { close(queue); ended <- struct{}{} }()
		for {
			n, err := db.WaitForNotification(ctx)
			if err != nil {
				return
			}
			queue <- n.Payload
		}
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		for payload := range queue {
			now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
			stamped := func(payload string) string {
				return payload[:len(payload)-1] + `,"_published_at":"` + now + `","_source":"postgres_notify","_pub_id":`
			}
			batch := []any{stamped(payload)}
			for more := min(len(queue), 511); more > 0; more-- {
				batch = append(batch, stamped(<-queue))
			}
			_ = barePublish.Run(context.Background(), client, []string{"bare:msg_id"}, batch...).Err() // the receiver notices a loss
		}
	}()
	return func() { cancel(); <-ended; <-ended }
}

// notifyRun returns the events per second that reach all clients of the server that serve starts.
func notifyRun(b *testing.B, clients int, serve func(*testing.B) (string, func())) float64 {
	port, stop := serve(b)
	defer stop()
	var ready, done sync.WaitGroup
	for range clients {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		ready.Add(1)
		done.Go(func() {
			r := bufio.NewReaderSize(conn, 64<<10)
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			_, err := http.ReadResponse(r, nil)
			if err == nil {
				_, err = r.Discard(2 + len(welcome))
			}
			ready.Done()
			for n := 0; n < notifications && err == nil; n++ {
				err = skipFrame(r)
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	ready.Wait()
	db, err := pgx.Connect(b.Context(), testenv.Postgres(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	begin := time.Now()
	for n := range notifications / 500 {
		if _, err := db.Exec(b.Context(), `SELECT pg_notify('orders_channel', '{"operation":"INSERT","order":{"id":' || n || ',"customer_name":"Ada Lovelace","product_name":"Keyboard","status":"pending","amount":12.50,"created_at":"2026-11-25T14:00:00","updated_at":"2026-11-25T14:00:00"}}')
			FROM generate_series($1::int, $1 + 499) n`, n*500); err != nil {
			b.Fatal(err)
		}
	}
	done.Wait()
	return notifications / time.Since(begin).Seconds()
}

// skipFrame reads and discards a frame.
func skipFrame(r *bufio.Reader) error {
	head, err := r.Peek(4)
	if err != nil {
		return err
	}
	n := 2 + int(head[1])
	if head[1] == 126 {
		n = 4 + int(binary.BigEndian.Uint16(head[2:]))
	}
	_, err = r.Discard(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
