package app

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// BenchmarkFilteredFanout compares 1,000 clients with ten distinct filters, which all match, with 1,000
// clients without filters. It reports the median of the ratios of alternating runs.
func BenchmarkFilteredFanout(b *testing.B) {
	filtered := func(client int) string { return url.Values{"filter": {fmt.Sprintf("n > %d", client%10)}}.Encode() }
	for b.Loop() {
		var ratios []float64
		for pair := range pairs(b) {
			all := fanout(b, delivering, fanoutClients, fanoutMessages, everything)
			some := fanout(b, delivering, fanoutClients, fanoutMessages, filtered)
			ratios = append(ratios, some.rate/all.rate)
			fmt.Printf("filtered fan-out pair %d: %4.2f M deliveries/s over 10 filters, %4.2f M/s without; ratio %.2f\n", pair, some.rate/1e6, all.rate/1e6, some.rate/all.rate)
		}
		b.ReportMetric(median(ratios), "ratio-to-unfiltered")
	}
}

// BenchmarkBursts sends bursts that are larger than the buffers of the clients. It does not end if the
// default configuration loses an event.
func BenchmarkBursts(b *testing.B) {
	for b.Loop() {
		for _, burst := range []struct{ messages, clients int }{{10_000, 100}, {20_000, 20}} {
			r := fanout(b, delivering, burst.clients, burst.messages, everything)
			fmt.Printf("burst of %d to %d clients: 0 lost, %4.2f M deliveries/s\n", burst.messages, burst.clients, r.rate/1e6)
		}
	}
}

// BenchmarkOneByOne publishes 3,000 single messages per second to 100 clients, and compares the latency
// with the bare loop.
func BenchmarkOneByOne(b *testing.B) {
	for b.Loop() {
		var r50, r99 []float64
		for pair := range pairs(b) {
			b50, b99 := oneByOne(b, bareLoop)
			g50, g99 := oneByOne(b, delivering)
			r50, r99 = append(r50, g50.Seconds()/b50.Seconds()), append(r99, g99.Seconds()/b99.Seconds())
			fmt.Printf("one by one, pair %d: gateway p50 %v, p99 %v; bare loop p50 %v, p99 %v\n", pair, g50, g99, b50, b99)
		}
		b.ReportMetric(median(r50), "p50-ratio")
		b.ReportMetric(median(r99), "p99-ratio")
	}
}

func oneByOne(b *testing.B, serve func(*testing.B) (string, func())) (p50, p99 time.Duration) {
	port, stop := serve(b)
	defer stop()
	const clients, rate, messages = 100, 3000, 9000
	sent := make([]time.Time, messages)
	took := make([][]time.Duration, clients)
	var ready, done sync.WaitGroup
	for i := range clients {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		ready.Add(1)
		done.Go(func() {
			r := bufio.NewReader(conn)
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			_, err := http.ReadResponse(r, nil)
			if err == nil {
				_, err = r.Discard(2 + len(welcome))
			}
			ready.Done()
			buf := make([]byte, 4+8)
			for n := 0; n < messages && err == nil; n++ {
				if _, err = io.ReadFull(r, buf[:2+8]); err == nil {
					took[i] = append(took[i], time.Since(sent[binary.BigEndian.Uint32(buf[2:])-1<<30]))
				}
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	ready.Wait()
	client := testenv.RedisClient(b)
	begin := time.Now()
	for n := range messages {
		time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second / rate)))
		payload := binary.BigEndian.AppendUint32(nil, uint32(n)+1<<30) // it begins with an ASCII character, so it is text
		sent[n] = time.Now()
		if err := client.Publish(b.Context(), "orders_updates", append(payload, "text"...)).Err(); err != nil {
			b.Fatal(err)
		}
	}
	done.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// BenchmarkIdleClients measures the memory of a client without events.
func BenchmarkIdleClients(b *testing.B) {
	const clients = 5000
	for b.Loop() {
		r := startGateway(b, defaultConfig, nil, "deliver")
		before := memory()
		var conns []net.Conn
		for range clients {
			conn, err := net.Dial("tcp", "127.0.0.1:"+r.port)
			if err != nil {
				b.Fatal(err)
			}
			conns = append(conns, conn)
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		}
		testenv.Eventually(b, time.Minute, "all connected", func() bool {
			_, text := r.get("/metrics")
			return strings.Contains(text, fmt.Sprintf("gateway_websocket_clients{sink=\"browsers\"} %d\n", clients))
		})
		each := float64(memory()-before) / clients / 1024
		b.ReportMetric(each, "KiB/client")
		fmt.Printf("%d idle clients: %.1f KiB each, with what this process has for its end of them\n", clients, each)
		for _, c := range conns {
			c.Close()
		}
	}
}

// memory returns the bytes of heap and stacks in use.
func memory() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
