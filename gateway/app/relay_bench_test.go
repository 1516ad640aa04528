package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

const relayed = 100_000

// relayConfig publishes the messages of one channel to another.
const relayConfig = `
http: {listen: "127.0.0.1:0"}
sources: {in: {type: redis-sub, url: "${REDIS_URL}", channels: [relay_in]}}
sinks: {out: {type: redis-pub, url: "${REDIS_URL}", channel: relay_out}}
routes: {relay: {from: [in], to: [out]}}
`

// BenchmarkRelay compares the way from one Redis channel to another with a bare loop, which copies what it
// reads into commands. The benchmark reports the medians of alternating runs. Every run ends with the check
// that all messages have arrived, in order.
func BenchmarkRelay(b *testing.B) {
	for b.Loop() {
		var ratios, rates, cpu []float64
		for pair := range fanoutPairs {
			bare := relay(b, bareRelay)
			ours := relay(b, func(b *testing.B) func() { return startGateway(b, writeConfig(b, relayConfig), nil).stop })
			ratios, rates, cpu = append(ratios, ours.rate/bare.rate), append(rates, ours.rate), append(cpu, ours.cpu)
			fmt.Printf("Redis to Redis, pair %d: gateway %6.0f events/s, %4.2f us CPU each; bare loop %6.0f/s, %4.2f us; ratio %.2f\n", pair, ours.rate, ours.cpu, bare.rate, bare.cpu, ours.rate/bare.rate)
		}
		b.ReportMetric(median(ratios), "ratio-to-bare")
		b.ReportMetric(median(rates), "events/s")
		b.ReportMetric(median(cpu), "us-CPU/event") // including the publisher and the subscriber
	}
}

// dialRedis returns a bare connection, and its reader.
func dialRedis(b *testing.B) (net.Conn, *bufio.Reader) {
	opt, err := redis.ParseURL(testenv.Redis(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", opt.Addr)
	if err != nil {
		b.Fatal(err)
	}
	return conn, bufio.NewReaderSize(conn, 64<<10)
}

// subscribeRedis returns a bare connection that is subscribed to a channel, and its reader.
func subscribeRedis(b *testing.B, channel string) (net.Conn, *bufio.Reader) {
	conn, r := dialRedis(b)
	fmt.Fprintf(conn, "SUBSCRIBE %s\r\n", channel)
	if _, err := readReply(r); err != nil {
		b.Fatal(err)
	}
	return conn, r
}

func appendPublish(dst []byte, channel string, payload []byte) []byte {
	dst = fmt.Appendf(dst, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n", len(channel), channel, len(payload))
	return append(append(dst, payload...), "\r\n"...)
}

// relay publishes to the relay that serve starts, and reads what it publishes.
func relay(b *testing.B, serve func(*testing.B) (stop func())) fanoutResult {
	sub, r := subscribeRedis(b, "relay_out")
	defer sub.Close()
	defer serve(b)()
	var commands []byte
	padding := strings.Repeat("x", fanoutBytes-8)
	for n := range relayed {
		commands = appendPublish(commands, "relay_in", fmt.Appendf(nil, "%08d%s", n, padding))
	}
	pub, replies := dialRedis(b)
	defer pub.Close()
	go io.Copy(io.Discard, replies) // ends when pub is closed
	begin, before := time.Now(), cpuTime()
	go pub.Write(commands) // the reader below notices a loss
	want := []byte("00000000")
	for n := range relayed {
		if got, err := readReply(r); err != nil || string(got[:8]) != string(want) {
			b.Fatalf("message %d is %.8s, %v", n, got, err)
		}
		for i := 7; ; i-- { // the next number
			if want[i]++; want[i] <= '9' {
				break
			}
			want[i] = '0'
		}
	}
	took, used := time.Since(begin), cpuTime()-before
	return fanoutResult{relayed / took.Seconds(), float64(used.Microseconds()) / relayed}
}

// bareRelay publishes the messages of a channel to another, all that have arrived in one write.
func bareRelay(b *testing.B) (stop func()) {
	sub, r := subscribeRedis(b, "relay_in")
	pub, replies := dialRedis(b)
	go io.Copy(io.Discard, replies) // ends when pub is closed
	go func() {
		var pending []byte
		for {
			payload, err := readReply(r)
			if err != nil {
				return
			}
			pending = appendPublish(pending, "relay_out", payload)
			if r.Buffered() > 0 && len(pending) < 64<<10 {
				continue
			}
			pub.Write(pending)
			pending = pending[:0]
		}
	}()
	return func() { sub.Close(); pub.Close() }
}
