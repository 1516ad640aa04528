package websocket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
)

// The load of one run of BenchmarkSubscriptions.
const (
	subscriptionEvents  = 20_000
	subscriptionHistory = 10_000
	subscriptionBatch   = 100
	joinsAtOnce         = 50
	rightsOfEach        = `order.customer_id == claims.sub`
)

// subscriptionKinds are ways in which each client gets only the events of its own customer.
var subscriptionKinds = []struct{ name, rule, filter string }{
	{"equality of rights", rightsOfEach, ""},
	{"rights or administrator", rightsOfEach + ` || claims.role == "admin"`, ""},
	{"filter of the client", "", `order.customer_id == "c%d"`},
	{"filter and a condition", "", `order.customer_id == "c%d" && order.amount > 0`},
}

func customerEvent(n, clients int) *event.Event {
	return &event.Event{Channel: "orders", Key: fmt.Sprint(n), Data: fmt.Appendf(nil, `{"operation":"UPDATE","order":{"id":%d,"customer_id":"c%d","amount":12.5,"status":"pending","text":"%0200d"}}`, n, n%clients, n)}
}

// BenchmarkSubscriptions measures clients that each have a subscription of their own: how long they take to join a sink with a
// history, and how many events a second reach them. It compares the rate with a bare loop that looks up a connection in a map
// and writes to it.
func BenchmarkSubscriptions(b *testing.B) {
	for _, clients := range []int{100, 1000, 4000} {
		for _, kind := range subscriptionKinds {
			b.Run(fmt.Sprintf("%s/%d", kind.name, clients), func(b *testing.B) {
				for b.Loop() {
					bare, bareCPU := bareLookup(b, clients)
					r := subscriptionRun(b, clients, kind.rule, kind.filter)
					b.ReportMetric(r.rate, "deliveries/s")
					b.ReportMetric(r.rate/bare, "ratio-to-bare")
					b.ReportMetric(float64(r.cpu.Nanoseconds())/1000, "us-cpu/delivery")
					b.ReportMetric(float64(bareCPU.Nanoseconds())/1000, "us-cpu-bare")
					b.ReportMetric(r.joined.Seconds(), "s-all-joined")
					b.ReportMetric(float64(r.p99.Milliseconds()), "ms-join-p99")
					b.ReportMetric(r.memory/1024/float64(clients), "KiB/client")
				}
			})
		}
	}
}

// subscriptionResult is the result of one run.
type subscriptionResult struct {
	rate        float64       // deliveries a second
	cpu         time.Duration // of all processors, for each delivery
	joined, p99 time.Duration // until all clients have joined, and until 99 % of them have, each from its own begin
	memory      float64       // of all idle clients, in bytes, with the ends of the connections of the benchmark
}

func subscriptionRun(b *testing.B, clients int, rule, filter string) (r subscriptionResult) {
	secret := []byte("a secret that is long enough for HS256")
	s, server := newSink(b, func(o *Options) {
		o.MaxTopics, o.Limits.FiltersPerAddress = 100_000, 100_000
		if rule == "" {
			return
		}
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(string(secret))}
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			b.Fatal(err)
		}
	}, httptest.NewServer)
	for n := range subscriptionHistory {
		s.send(b, customerEvent(n, clients))
	}
	empty := usedMemory()
	conns, took := make([]net.Conn, clients), make([]time.Duration, clients)
	var joining sync.WaitGroup
	begin := time.Now()
	for i := range joinsAtOnce {
		joining.Go(func() {
			for n := i; n < clients; n += joinsAtOnce {
				request := "GET / HTTP/1.1\r\n"
				if filter != "" {
					request = fmt.Sprintf("GET /?filter=%s HTTP/1.1\r\n", url.QueryEscape(fmt.Sprintf(filter, n)))
				} else {
					request += "Authorization: Bearer " + signed(b, jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": fmt.Sprint("c", n), "role": "customer", "exp": inOneHour()}, "") + "\r\n"
				}
				started := time.Now()
				conns[n] = upgrade(b, server.Listener.Addr().String(), request)
				took[n] = time.Since(started)
			}
		})
	}
	joining.Wait()
	r.joined = time.Since(begin)
	slices.Sort(took)
	awaitClients(b, s, clients)
	r.memory = usedMemory() - empty
	events := make([]*event.Event, subscriptionEvents)
	for n := range events {
		events[n] = customerEvent(subscriptionHistory+n, clients)
	}
	r.rate, r.cpu = receiveRate(b, conns, events, func(batch []*event.Event) { s.send(b, batch...) })
	for _, c := range conns {
		c.Close()
	}
	r.p99 = took[clients*99/100]
	return r
}

// usedMemory returns the bytes of heap and stacks in use.
func usedMemory() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// upgrade connects to a WebSocket server with the begin of a request.
func upgrade(b *testing.B, address, request string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Error(err)
		return nil
	}
	fmt.Fprint(conn, request, "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil) // reads nothing beyond the answer: the server waits
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.Error(resp, err)
	}
	return conn
}

// cpuTime returns the time of all processors that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// receiveRate sends events, each for the connection of its customer, and returns how many a second were received, and the
// time of processors for each.
func receiveRate(b *testing.B, conns []net.Conn, events []*event.Event, send func([]*event.Event)) (rate float64, cpu time.Duration) {
	var received sync.WaitGroup
	size := make([]int, len(conns))
	for n, e := range events {
		size[(subscriptionHistory+n)%len(conns)] += frameSize(len(e.Data))
	}
	begin, cpuBegin := time.Now(), cpuTime()
	for i, conn := range conns {
		received.Go(func() {
			if _, err := io.CopyN(io.Discard, conn, int64(size[i])); err != nil {
				b.Error(err)
			}
		})
	}
	for batch := range slices.Chunk(events, subscriptionBatch) {
		send(batch)
	}
	received.Wait()
	return float64(len(events)) / time.Since(begin).Seconds(), (cpuTime() - cpuBegin) / time.Duration(len(events))
}

// bareLookup returns the rate of a loop that looks up the connection of each event, and writes the frame.
func bareLookup(b *testing.B, clients int) (rate float64, cpu time.Duration) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	served, byCustomer, conns := make(chan net.Conn), map[string]net.Conn{}, make([]net.Conn, clients)
	go func() {
		for range clients {
			if conn, err := l.Accept(); err == nil {
				served <- conn
			}
		}
	}()
	events := make([]*event.Event, subscriptionEvents)
	for n := range events {
		events[n] = customerEvent(subscriptionHistory+n, clients)
	}
	for i := range conns {
		if conns[i], err = net.Dial("tcp", l.Addr().String()); err != nil {
			b.Fatal(err)
		}
		defer conns[i].Close()
		byCustomer[fmt.Sprint("c", i)] = <-served
	}
	n := subscriptionHistory
	rate, cpu = receiveRate(b, conns, events, func(batch []*event.Event) {
		for _, e := range batch {
			if _, err := byCustomer[fmt.Sprint("c", n%clients)].Write(appendFrame(nil, opText, e.Data)); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
	for _, c := range byCustomer {
		c.Close()
	}
	return rate, cpu
}
