package app

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// The load of one run.
const (
	fanoutClients  = 1000
	fanoutMessages = 20_000
	fanoutBytes    = 330
)

// BenchmarkFanout compares the fan-out from Redis to 1,000 WebSocket clients by the gateway with a bare
// loop. The loop reads from Redis, makes frames, and writes them to one client after the other.
func BenchmarkFanout(b *testing.B) { compareFanout(b, fanoutClients, fanoutMessages) }

func compareFanout(b *testing.B, clients, messages int) {
	b.Helper()
	compareToBare(b,
		func() measurement { return fanout(b, bareLoop, clients, messages, everything) },
		func() measurement { return fanout(b, delivering, clients, messages, everything) })
}

// everything returns the query of a client without a filter.
func everything(int) string { return "" }

// delivering starts the route deliver of the default configuration.
func delivering(b *testing.B) (port string, stop func()) {
	r := startGateway(b, defaultConfig, nil, "deliver")
	return r.port, r.stop
}

// fanout connects clients to the server that serve starts, each with its query. It publishes messages that match all
// filters, and measures until all clients have them. A delivery is one message at one client.
func fanout(b *testing.B, serve func(*testing.B) (string, func()), clients, messages int, query func(client int) string) measurement {
	port, stop := serve(b)
	defer stop()
	l := fanoutLoad(b, target{port: port, at: numberAt}, clients, query)
	return l.measure(b, messages, messages).perDelivery(clients)
}

// fanoutLoad connects clients to t, each with its query, and publishes to Redis.
func fanoutLoad(b *testing.B, t target, clients int, query func(client int) string) *load {
	b.Helper()
	l := &load{chunk: 500}
	l.receivers, l.close = t.connectClients(b, clients, query)
	client := testenv.RedisClient(b)
	l.send = func(from, to int) error {
		pipe := client.Pipeline()
		for n := from; n < to; n++ {
			pipe.Publish(b.Context(), "orders_updates", appendNumbered(nil, n, fanoutBytes))
		}
		_, err := pipe.Exec(b.Context())
		return err
	}
	return l
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
