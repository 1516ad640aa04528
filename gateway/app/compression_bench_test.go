package app

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// BenchmarkCompression compares 1,000 clients with compression with 1,000 without, by alternating runs, for payloads of orders. It
// reports the median of the ratios of bytes and of CPU time. The clients do not inflate.
func BenchmarkCompression(b *testing.B) {
	for _, size := range []int{150, 500, 2000, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				var bytes, cpu, rates []float64
				for pair := range pairs(b) {
					plain := compressionRun(b, "", size)
					small := compressionRun(b, "permessage-deflate", size)
					bytes, cpu, rates = append(bytes, small.bytes/plain.bytes), append(cpu, small.cpu/plain.cpu), append(rates, small.rate/plain.rate)
					fmt.Printf("%d bytes, pair %d: compressed %.0f bytes, %.2f us CPU, %.2f M/s; plain %.0f bytes, %.2f us, %.2f M/s\n",
						size, pair, small.bytes, small.cpu, small.rate/1e6, plain.bytes, plain.cpu, plain.rate/1e6)
				}
				b.ReportMetric(median(bytes), "bytes-ratio")
				b.ReportMetric(median(cpu), "cpu-ratio")
				b.ReportMetric(median(rates), "rate-ratio")
			}
		})
	}
}

// compressionResult is the result of one run, for each delivery.
type compressionResult struct {
	bytes, cpu, rate float64 // bytes of frames, CPU time in us, deliveries a second
}

const compressionConfig = `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [orders_updates]}}
sinks: {out: {type: websocket, max_lag: {bytes: 1GiB}, compression: {enabled: true}}}
routes: {r: {from: [bus], to: [out]}}
`

func compressionRun(b *testing.B, extensions string, size int) (r compressionResult) {
	g := startGateway(b, writeConfig(b, compressionConfig), nil)
	defer g.stop()
	messages := 10_000_000 / (size + 500)
	messages -= messages % 100
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	for range fanoutClients {
		conn, err := net.Dial("tcp", "127.0.0.1:"+g.port)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, conn)
		ready.Add(1)
		done.Go(func() {
			in := bufio.NewReaderSize(conn, 32<<10)
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: %s\r\n\r\n", extensions)
			resp, err := http.ReadResponse(in, nil)
			ready.Done()
			if err != nil || (resp.Header.Get("Sec-WebSocket-Extensions") == "") != (extensions == "") {
				b.Error(resp, err)
				return
			}
			total := 0
			for range messages {
				n, err := discardFrame(in)
				if err != nil {
					b.Error(err)
					return
				}
				total += n
			}
			mu.Lock()
			r.bytes += float64(total) / float64(messages*fanoutClients)
			mu.Unlock()
		})
	}
	ready.Wait()
	client := testenv.RedisClient(b)
	begin, before := time.Now(), cpuTime()
	for i := range messages / 100 {
		pipe := client.Pipeline()
		for n := range 100 {
			pipe.Publish(b.Context(), "orders_updates", orderText(size, 100*i+n))
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	done.Wait()
	deliveries := float64(messages * fanoutClients)
	r.cpu, r.rate = float64((cpuTime()-before).Microseconds())/deliveries, deliveries/time.Since(begin).Seconds()
	for _, c := range conns {
		c.Close()
	}
	return r
}

// discardFrame reads a frame, and returns its size.
func discardFrame(r *bufio.Reader) (int, error) {
	head, err := r.Peek(2)
	if err != nil {
		return 0, err
	}
	size := 2 + int(head[1])
	if head[1] == 126 {
		if head, err = r.Peek(4); err != nil {
			return 0, err
		}
		size = 4 + int(binary.BigEndian.Uint16(head[2:]))
	}
	_, err = io.CopyN(io.Discard, r, int64(size))
	return size, err
}

// orderText returns the payload of a change of an order with about size bytes, as outboxes send them.
func orderText(size, n int) string {
	n = n * 7919 % 1_000_003 // digits that differ
	text := fmt.Sprintf(`{"operation":"UPDATE","table":"orders","order":{"id":%d,"customer_id":"c%d","status":"pending","amount":%d.%02d`, n, n*31%99_991, n%977, n%89)
	if size > 200 {
		var items strings.Builder
		for i := 0; items.Len() < size-240; i++ {
			k := (n + i*104_729) % 999_983
			fmt.Fprintf(&items, `,{"sku":"SKU-%06d","name":"%s","quantity":%d,"price":%d.%02d}`, k, []string{"Blue cotton shirt", "Running shoe", "Coffee beans 1 kg", "Desk lamp"}[k%4], 1+k%9, k%983, k%97)
		}
		text += fmt.Sprintf(`,"currency":"EUR","created_at":"2026-11-26T13:%02d:%02d.123Z","address":{"city":"Berlin","zip":"%d"},"items":[%s]`, n%60, n%59, 10000+n%9999, strings.TrimPrefix(items.String(), ","))
	}
	return text + "}}"
}
