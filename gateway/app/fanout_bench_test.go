package app

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// The load of one run.
const (
	fanoutClients  = 1000
	fanoutMessages = 20_000
	fanoutBytes    = 330
	fanoutPairs    = 5
)

// BenchmarkFanout compares the fan-out from Redis to 1,000 WebSocket clients by the gateway with a bare
// loop. The loop reads from Redis, makes frames, and writes them to one client after the other. The
// benchmark reports the medians of alternating pairs.
func BenchmarkFanout(b *testing.B) {
	for b.Loop() {
		var ratios, rates, cpu []float64
		for pair := range fanoutPairs {
			bare := fanout(b, bareLoop, fanoutClients, fanoutMessages, everything)
			ours := fanout(b, delivering, fanoutClients, fanoutMessages, everything)
			ratios = append(ratios, ours.rate/bare.rate)
			rates = append(rates, ours.rate)
			cpu = append(cpu, ours.cpu)
			fmt.Printf("fan-out pair %d: gateway %4.2f M deliveries/s, %4.2f us CPU each; bare loop %4.2f M/s, %4.2f us; ratio %.2f\n",
				pair, ours.rate/1e6, ours.cpu, bare.rate/1e6, bare.cpu, ours.rate/bare.rate)
		}
		b.ReportMetric(median(ratios), "ratio-to-bare")
		b.ReportMetric(median(rates), "deliveries/s")
		b.ReportMetric(median(cpu), "us-CPU/delivery") // including the clients' reads
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

type fanoutResult struct{ rate, cpu float64 }

// everything returns the query of a client without a filter.
func everything(int) string { return "" }

// delivering starts the route deliver of the default configuration.
func delivering(b *testing.B) (port string, stop func()) {
	r := startGateway(b, defaultConfig, nil, "deliver")
	return r.port, r.stop
}

// fanout connects clients to the server that serve starts, each with its query. It publishes a burst that
// matches all filters, and measures until all clients have it.
func fanout(b *testing.B, serve func(*testing.B) (string, func()), count, burst int, query func(client int) string) fanoutResult {
	port, stop := serve(b)
	defer stop()
	payload := `{"n":1000,"p":"`
	payload += strings.Repeat("x", fanoutBytes-len(payload)-2) + `"}`
	want := burst * (fanoutBytes + 4) // with the frame's header
	var ready, done sync.WaitGroup
	var conns []net.Conn
	for i := range count {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, conn)
		ready.Add(1)
		done.Go(func() {
			r := bufio.NewReaderSize(conn, 4096)
			fmt.Fprintf(conn, "GET /?%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query(i))
			_, err := http.ReadResponse(r, nil)
			if err == nil {
				_, err = r.Discard(2 + len(welcome))
			}
			ready.Done()
			if err != nil {
				b.Errorf("handshake: %v", err)
				return
			}
			buf := make([]byte, 64<<10)
			for got := 0; got < want; {
				n, err := r.Read(buf)
				if got += n; err != nil {
					b.Errorf("after %d of %d bytes: %v", got, want, err)
					return
				}
			}
		})
	}
	ready.Wait()
	client := testenv.RedisClient(b)
	begin, before := time.Now(), cpuTime()
	for range burst / 500 {
		pipe := client.Pipeline()
		for range 500 {
			pipe.Publish(b.Context(), "orders_updates", payload)
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	done.Wait()
	took, used := time.Since(begin), cpuTime()-before
	for _, c := range conns {
		c.Close()
	}
	deliveries := float64(burst * count)
	return fanoutResult{deliveries / took.Seconds(), float64(used.Microseconds()) / deliveries}
}

// cpuTime returns the CPU time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareLoop serves until stop, and returns its port.
func bareLoop(b *testing.B) (port string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	opt, err := redis.ParseURL(testenv.Redis(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	sub, err := net.Dial("tcp", opt.Addr)
	if err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	var clients []net.Conn
	stop = func() {
		l.Close()
		sub.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range clients {
			c.Close()
		}
	}
	b.Cleanup(stop)
	fmt.Fprintf(sub, "SUBSCRIBE orders_updates\r\n")
	r := bufio.NewReaderSize(sub, 64<<10)
	if _, err := readReply(r); err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				continue
			}
			mu.Lock()
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
			c.Write(frame([]byte(welcome)))
			clients = append(clients, c)
			mu.Unlock()
		}
	}()
	go func() {
		var pending []byte
		for {
			payload, err := readReply(r)
			if err != nil {
				return
			}
			pending = append(pending, frame(payload)...)
			if r.Buffered() > 0 && len(pending) < 64<<10 {
				continue
			}
			mu.Lock()
			for _, c := range clients {
				c.Write(pending)
			}
			mu.Unlock()
			pending = pending[:0]
		}
	}()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), stop
}

// readReply reads a Pub/Sub reply of three parts, and returns the last.
func readReply(r *bufio.Reader) (last []byte, err error) {
	if _, err := r.ReadSlice('\n'); err != nil { // *3
		return nil, err
	}
	for range 3 {
		head, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if head[0] == ':' {
			continue
		}
		n, err := strconv.Atoi(string(head[1 : len(head)-2]))
		if err != nil {
			return nil, err
		}
		last = make([]byte, n+2)
		if _, err := io.ReadFull(r, last); err != nil {
			return nil, err
		}
		last = last[:n]
	}
	return last, nil
}

func frame(payload []byte) []byte {
	if n := len(payload); n < 126 {
		return append([]byte{0x81, byte(n)}, payload...)
	}
	return append(binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(payload))), payload...)
}
