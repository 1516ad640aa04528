package app

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

// pace sends events at a rate, in steps of l.chunk, or more where it is behind, however long they take to arrive. It returns the time that each has taken
// to each receiver since it was due; of a number of events only the first is timed.
func (l *load) pace(b *testing.B, events, rate, of int) (took []time.Duration) {
	b.Helper()
	first, to := l.sent, l.sent+events
	l.sent = to
	begin := time.Now()
	due := func(n int) time.Time {
		n -= (n - first) % l.chunk
		return begin.Add(time.Duration(n-first) * time.Second / time.Duration(rate))
	}
	times := make([][]time.Duration, len(l.receivers))
	var receiving sync.WaitGroup
	for i, r := range l.receivers {
		receiving.Go(func() {
			err := r.receive(to, func(n int) {
				if (n-first)%of == 0 {
					times[i] = append(times[i], time.Since(due(n)))
				}
			})
			if err != nil {
				b.Errorf("client %d: %v", i, err)
			}
		})
	}
	for n := first; n < to && !b.Failed(); {
		time.Sleep(time.Until(due(n)))
		end := n + l.chunk
		for l.chunk > 1 && time.Now().After(due(end)) { // it is behind, so it sends all that are due
			end += l.chunk
		}
		end = min(end, to)
		if err := l.send(n, end); err != nil {
			b.Fatal(err)
		}
		n = end
	}
	defer time.AfterFunc(passTime, l.close).Stop()
	receiving.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return slices.Concat(times...)
}

// BenchmarkPaced commits 300 rows a second, each in a transaction of its own, which a trigger notifies to clients. CPU is
// for each row.
func BenchmarkPaced(b *testing.B) {
	for _, clients := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			compareToBare(b,
				func() measurement { return pacedRun(b, clients, bareChain) },
				func() measurement { return pacedRun(b, clients, leading) })
		})
	}
}

func pacedRun(b *testing.B, clients int, serve func(*testing.B) (string, func())) (m measurement) {
	const rate, rows = 300, 3000
	port, stop := serve(b)
	defer stop()
	db := testenv.OrdersTable(b)
	defer db.Close(b.Context())
	if _, err := db.Exec(b.Context(), fmt.Sprintf("ALTER SEQUENCE orders_id_seq RESTART WITH %d", firstNumber)); err != nil {
		b.Fatal(err)
	}
	l := load{chunk: 1}
	l.receivers, l.close = target{port: port, at: len(`{"operation" : "INSERT", "order" : {"id":`)}.connectClients(b, clients, everything)
	defer l.close()
	l.send = func(int, int) error {
		_, err := db.Exec(b.Context(), "INSERT INTO orders (customer_name, product_name, status, amount) VALUES ('Ada Lovelace', 'Keyboard', 'pending', 12.50)")
		return err
	}
	l.pace(b, rate, rate, 1)
	var took []time.Duration
	m = measure(b, rows, func() { took = l.pace(b, rows, rate, 1) })
	m.setLatency(took)
	return m
}

// BenchmarkSoak passes notifications to 100 clients for the time SOAK, such as 20m, at half the rate that the gateway reaches in a
// burst. It prints memory and latency ten times. Without SOAK it is skipped.
func BenchmarkSoak(b *testing.B) {
	if os.Getenv("SOAK") == "" {
		b.Skip("SOAK is not set")
	}
	total, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		b.Fatal(err)
	}
	const clients, parts, warmUp = 100, 10, 50_000
	for b.Loop() {
		port, stop := leading(b)
		db, err := pgx.Connect(b.Context(), testenv.Postgres(b).URL())
		if err != nil {
			b.Fatal(err)
		}
		l := notifyLoad(b, db, port, clients)
		begin := time.Now()
		l.pass(b, warmUp, warmUp, false)
		rate := int(warmUp / time.Since(begin).Seconds() / 2)
		l.chunk = max(rate/200, 1)
		var p99s, memories []float64
		for part := range parts {
			var took []time.Duration
			m := measure(b, 1, func() { took = l.pace(b, int(total.Seconds()/parts*float64(rate)), rate, 100) })
			m.setLatency(took)
			heap := float64(memory()) / 1e6
			fmt.Printf("soak, part %d of %d, %d events/s: p50 %v, p99 %v, peak %.0f MB, in use %.1f MB, %d goroutines\n", part+1, parts, rate, m.p50, m.p99, m.peak, heap, runtime.NumGoroutine())
			p99s, memories = append(p99s, m.p99.Seconds()*1e3), append(memories, heap)
		}
		l.close()
		stop()
		db.Close(b.Context())
		b.ReportMetric(float64(rate), "events/s")
		b.ReportMetric(p99s[0], "p99-ms-first")
		b.ReportMetric(p99s[parts-1], "p99-ms-last")
		b.ReportMetric(memories[0], "MB-in-use-first")
		b.ReportMetric(memories[parts-1], "MB-in-use-last")
		b.ReportMetric(0, "lost")
	}
}
