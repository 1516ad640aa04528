package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

const (
	drainRows = 300_000
	idleFor   = 10 * time.Second
)

// directTo returns a configuration of one source and WebSocket clients.
func directTo(source string) string {
	return `
http: {listen: ":${PORT}"}
sources:
  orders_db: {` + source + `, url: "${DATABASE_URL}"}
sinks:
  browsers: {type: websocket, path: /, welcome: {type: welcome, msg: Connected to orders updates}}
routes: {all: {from: [orders_db], to: [browsers]}}
`
}

var (
	directConfig = directTo("type: postgres-outbox, tables: [orders]")
	walConfig    = directTo("type: postgres-wal, tables: [orders]")
	notifyConfig = directTo("type: postgres-notify, channels: [orders_channel]")
)

var orders = []pgtrigger.Table{{Schema: "public", Name: "orders"}}

func outboxSQL() string { return pgtrigger.Outbox{Tables: orders}.CreateSQL() }

func walSQL() string { return pgtrigger.WAL{Tables: orders, Publication: "gateway"}.CreateSQL() }

// recreate recreates the table orders, with a trigger, a publication or none, and drops what was made for another
// source.
func recreate(b testing.TB, db *pgx.Conn, trigger string) {
	b.Helper()
	testenv.DropSlots(b, db)
	const table = `DROP SCHEMA IF EXISTS gateway CASCADE; DROP TABLE IF EXISTS orders CASCADE;` + testenv.OldTrigger + `DROP TRIGGER orders_notify_trigger ON orders;`
	if _, err := db.Exec(testenv.Context(b), table+trigger); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLatency measures the time from a commit to the message at a WebSocket client: directly from the
// outbox and from the WAL, and from the outbox through a Redis Stream.
func BenchmarkLatency(b *testing.B) {
	// The WAL is read when it was flushed.
	server := testenv.StartPostgres(b, "-c", "synchronous_commit=on")
	for _, rate := range []int{100, 1000, 5000} {
		for _, path := range []struct{ name, config, sql string }{
			{"direct", directConfig, outboxSQL()}, {"wal", walConfig, walSQL()}, {"durable", "", outboxSQL()},
		} {
			b.Run(fmt.Sprintf("%s/%d per second", path.name, rate), func(b *testing.B) {
				for b.Loop() {
					file := "../../configs/orders-durable.yaml"
					if path.config != "" {
						file = writeConfig(b, path.config)
					}
					p50, p99 := latency(b, server.URL(), file, path.sql, rate)
					b.ReportMetric(p50.Seconds()*1e3, "p50-ms")
					b.ReportMetric(p99.Seconds()*1e3, "p99-ms")
				}
			})
		}
	}
}

func latency(b *testing.B, url, file, sql string, rate int) (p50, p99 time.Duration) {
	const seconds, warmUp, sessions = 8, 2, 8
	db := testenv.ConnectURL(b, url)
	recreate(b, db, sql)
	testenv.RedisClient(b).FlushAll(b.Context())
	g := startGateway(b, file, map[string]string{"DATABASE_URL": url, "PARKED_FILE": filepath.Join(b.TempDir(), "parked")})
	defer g.stop()
	client := g.connect()
	defer client.Close()
	total := rate * seconds
	committed, arrived := make([]time.Time, total+1), make([]time.Time, total+1)
	received := make(chan error, 1)
	go func() {
		for range total {
			_, msg, err := client.ReadMessage()
			if err != nil {
				received <- err
				return
			}
			now := time.Now()
			_, rest, _ := strings.Cut(string(msg), `"id":`)
			id, _ := strconv.Atoi(rest[:strings.IndexByte(rest, ',')])
			arrived[id] = now
		}
		received <- nil
	}()
	client.SetReadDeadline(time.Now().Add(time.Minute))
	var mu sync.Mutex
	next := 0
	begin := time.Now()
	var writing sync.WaitGroup
	for range sessions {
		conn := testenv.ConnectURL(b, url)
		writing.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= total {
					return
				}
				time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second / time.Duration(rate))))
				id := 0
				if err := conn.QueryRow(b.Context(), "INSERT INTO orders (customer_name, product_name, status, amount) VALUES ('Ada Lovelace', 'Keyboard', 'pending', 12.50) RETURNING id").Scan(&id); err != nil {
					b.Error(err)
					return
				}
				committed[id] = time.Now()
			}
		})
	}
	writing.Wait()
	wrote := time.Since(begin)
	if err := <-received; err != nil {
		b.Fatal(err)
	}
	var all []time.Duration
	for id := 1 + rate*warmUp; id <= total; id++ {
		all = append(all, max(arrived[id].Sub(committed[id]), 0))
	}
	slices.Sort(all)
	p50, p99 = all[len(all)/2], all[len(all)*99/100]
	fmt.Printf("latency at %d/s (written at %.0f/s): p50 %v, p99 %v, most %v\n", rate, float64(total)/wrote.Seconds(), p50.Round(10*time.Microsecond), p99.Round(10*time.Microsecond), all[len(all)-1].Round(10*time.Microsecond))
	return p50, p99
}

// BenchmarkDrain measures the reading of a large outbox.
func BenchmarkDrain(b *testing.B) {
	for b.Loop() {
		db := testenv.Connect(b)
		recreate(b, db, outboxSQL())
		if _, err := db.Exec(b.Context(), "INSERT INTO orders (customer_name, amount) SELECT 'Ada Lovelace', n FROM generate_series(1, $1::int) n", drainRows); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		g := startGateway(b, writeConfig(b, directConfig), nil)
		testenv.Eventually(b, time.Minute, "all read", func() bool { return g.source("orders_db").Acked == drainRows })
		b.ReportMetric(drainRows/time.Since(begin).Seconds(), "rows/s")
		g.stop()
	}
}

// BenchmarkIdle measures the CPU time of an idle gateway and its sessions.
func BenchmarkIdle(b *testing.B) {
	for _, of := range []struct{ name, config, sql string }{{"outbox", directConfig, outboxSQL()}, {"wal", walConfig, walSQL()}} {
		b.Run(of.name, func(b *testing.B) {
			for b.Loop() {
				db := testenv.Connect(b)
				recreate(b, db, of.sql)
				g := startGateway(b, writeConfig(b, of.config), nil)
				time.Sleep(time.Second) // until it is idle
				ours, theirs := cpuTime(), sessionTime(b, db)
				time.Sleep(idleFor)
				b.ReportMetric(100*(cpuTime()-ours).Seconds()/idleFor.Seconds(), "%CPU-gateway")
				b.ReportMetric(100*(sessionTime(b, db)-theirs).Seconds()/idleFor.Seconds(), "%CPU-session")
				g.stop()
			}
		})
	}
}

// sessionTime returns the CPU time of the gateway's sessions in PostgreSQL.
func sessionTime(b *testing.B, db *pgx.Conn) (used time.Duration) {
	b.Helper()
	rows, err := db.Query(b.Context(), "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'eventgateway%'")
	if err != nil {
		b.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		b.Fatal(err)
	}
	for _, pid := range pids {
		used += processTime(b, pid)
	}
	return used
}

// processTime returns the CPU time of another process, in steps of 10 ms.
func processTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))
	user, uerr := strconv.Atoi(fields[12])
	system, serr := strconv.Atoi(fields[13])
	if uerr != nil || serr != nil {
		b.Fatal(uerr, serr)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
