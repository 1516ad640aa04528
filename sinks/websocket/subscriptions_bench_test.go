package websocket

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
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
}

func customerEvent(n, clients int) *event.Event {
	return &event.Event{Channel: "orders", Key: fmt.Sprint(n), Data: fmt.Appendf(nil, `{"operation":"UPDATE","order":{"id":%d,"customer_id":"c%d","amount":12.5,"status":"pending","text":"%0200d"}}`, n, n%clients, n)}
}

// BenchmarkSubscriptions measures clients that each have a subscription of their own: how long they take to join a sink with a
// history, and how many events a second reach them. It compares the rate with a bare loop that looks up a connection in a map
// and writes to it. Each client gets exactly its own events.
func BenchmarkSubscriptions(b *testing.B) {
	for _, clients := range []int{100, 1000, 2000, 10_000} {
		var bare float64
		var bareCPU time.Duration
		for _, kind := range subscriptionKinds {
			b.Run(fmt.Sprintf("%s/%d", kind.name, clients), func(b *testing.B) {
				for b.Loop() {
					if bare == 0 {
						bare, bareCPU = bareLookup(b, clients)
					}
					r := subscriptionRun(b, clients, kind.rule, kind.filter)
					b.ReportMetric(r.rate, "deliveries/s")
					b.ReportMetric(r.rate/bare, "ratio-to-bare")
					b.ReportMetric(float64(r.cpu.Nanoseconds())/1000, "us-cpu/delivery")
					b.ReportMetric(float64(bareCPU.Nanoseconds())/1000, "us-cpu-bare")
					b.ReportMetric(r.Joined.Seconds(), "s-all-joined")
					b.ReportMetric(float64(r.P99.Milliseconds()), "ms-join-p99")
					b.ReportMetric(r.memory/1024/float64(clients), "KiB/client")
				}
			})
		}
	}
}

// subscriptionResult is the result of one run.
type subscriptionResult struct {
	joinReport
	rate   float64       // deliveries a second
	cpu    time.Duration // of all processors, for each delivery
	memory float64       // of all idle clients, in bytes
}

func subscriptionRun(b *testing.B, clients int, rule, filter string) (r subscriptionResult) {
	secret := []byte("a secret that is long enough for HS256")
	s, server := newSink(b, func(o *Options) {
		o.MaxTopics, o.Limits.FiltersPerAddress, o.Ping = 100_000, 100_000, options.Duration(time.Hour)
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
	requests := make([]string, clients)
	for n := range requests {
		if filter != "" {
			requests[n] = fmt.Sprintf("GET /?filter=%s HTTP/1.1\r\n", url.QueryEscape(fmt.Sprintf(filter, n)))
		} else {
			requests[n] = "GET / HTTP/1.1\r\nAuthorization: Bearer " + signed(b, jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": fmt.Sprint("c", n), "role": "customer", "exp": inOneHour()}, "") + "\r\n"
		}
	}
	empty := usedMemory()
	c, report := startClients(b, server.Listener.Addr().String(), requests)
	r.joinReport = report
	awaitClients(b, s, clients)
	r.memory = usedMemory() - empty
	r.rate, r.cpu = receiveRate(c, clients, func(batch []*event.Event) { s.send(b, batch...) })
	c.close()
	return r
}

// usedMemory returns the bytes of heap and stacks in use.
func usedMemory() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
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
func receiveRate(c *benchClients, clients int, send func([]*event.Event)) (rate float64, cpu time.Duration) {
	events, size := make([]*event.Event, subscriptionEvents), make([]int, clients)
	for n := range events {
		events[n] = customerEvent(subscriptionHistory+n, clients)
		size[(subscriptionHistory+n)%clients] += frameSize(len(events[n].Data))
	}
	c.expect(size)
	begin, cpuBegin := time.Now(), cpuTime()
	for batch := range slices.Chunk(events, subscriptionBatch) {
		send(batch)
	}
	c.received()
	return float64(len(events)) / time.Since(begin).Seconds(), (cpuTime() - cpuBegin) / time.Duration(len(events))
}

// bareLookup returns the rate of a loop that looks up the connection of each event, and writes the frame.
func bareLookup(b *testing.B, clients int) (rate float64, cpu time.Duration) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	byCustomer, requests, accepted := map[string]net.Conn{}, make([]string, clients), make(chan struct{})
	for n := range requests {
		requests[n] = fmt.Sprintf("GET /c%d HTTP/1.1\r\n", n)
	}
	go func() {
		defer close(accepted)
		for range clients {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return
			}
			byCustomer[r.URL.Path[1:]] = conn
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		}
	}()
	c, _ := startClients(b, l.Addr().String(), requests)
	<-accepted
	n := subscriptionHistory
	rate, cpu = receiveRate(c, clients, func(batch []*event.Event) {
		for _, e := range batch {
			if _, err := byCustomer[fmt.Sprint("c", n%clients)].Write(appendFrame(nil, opText, e.Data)); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
	c.close()
	for _, conn := range byCustomer {
		conn.Close()
	}
	return rate, cpu
}
