package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

const notifications = 50_000

// BenchmarkNotify compares the whole way, from NOTIFY over Redis to WebSocket clients, with a bare loop. The
// loop listens, publishes, subscribes, and writes to one client after the other.
func BenchmarkNotify(b *testing.B) {
	for _, clients := range []int{100, 1} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			compareToBare(b,
				func() measurement { return notifyRun(b, clients, bareChain) },
				func() measurement { return notifyRun(b, clients, leading) })
		})
	}
}

// bareChain starts the bare loops from NOTIFY to WebSocket clients.
func bareChain(b *testing.B) (port string, stop func()) {
	port, disconnect := bareLoop(b)
	unlisten := bareListener(b)
	return port, func() { unlisten(); disconnect() }
}

// leading starts the default configuration.
func leading(b *testing.B) (port string, stop func()) {
	r := startLeading(b, nil)
	return r.port, r.stop
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

// notifyRun notifies, and measures until all clients of the server that serve starts have the events.
func notifyRun(b *testing.B, clients int, serve func(*testing.B) (string, func())) measurement {
	port, stop := serve(b)
	defer stop()
	db, err := pgx.Connect(b.Context(), testenv.Postgres(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	l := notifyLoad(b, db, port, clients)
	return l.measure(b, notifications, notifications)
}

// notifyLoad connects clients, and notifies over db.
func notifyLoad(b *testing.B, db *pgx.Conn, port string, clients int) *load {
	b.Helper()
	l := &load{chunk: 500}
	l.receivers, l.close = target{port: port, at: len(`{"operation":"INSERT","order":{"id":`)}.connectClients(b, clients, everything)
	l.send = func(from, to int) error {
		_, err := db.Exec(b.Context(), `SELECT pg_notify('orders_channel', '{"operation":"INSERT","order":{"id":' || n || ',"customer_name":"Ada Lovelace","product_name":"Keyboard","status":"pending","amount":12.50,"created_at":"2026-11-25T14:00:00","updated_at":"2026-11-25T14:00:00"}}')
			FROM generate_series($1::int, $2::int) n`, firstNumber+from, firstNumber+to-1)
		return err
	}
	return l
}
