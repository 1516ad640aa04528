package httpserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

// wait is how long tests wait for a signal that should come at once.
const wait = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short are limits that end everything soon.
var short = Limits{
	Connections: 100, Reserve: 2,
	Header: 200 * time.Millisecond, Read: 400 * time.Millisecond, Write: 400 * time.Millisecond, Idle: 300 * time.Millisecond,
}

// long are limits that end nothing during a test.
func long(connections, perAddress int) Limits {
	return Limits{Connections: connections, Reserve: 2, PerAddress: perAddress, Header: wait, Read: wait, Write: wait, Idle: wait}
}

type testServer struct {
	*Server
	t       *testing.T
	metrics *Metrics
}

func start(t *testing.T, limits Limits, h http.Handler) *testServer {
	t.Helper()
	m := NewMetrics()
	s, err := Listen(Options{
		Name: "test", Address: "127.0.0.1:0", Limits: limits, Metrics: m,
		Urgent: func(path string) bool { return path == "/healthz" },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Start(h)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return &testServer{s, t, m}
}

// dial opens a connection and sends text, all at once.
func (s *testServer) dial(text string) *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(wait))
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	return &client{conn, bufio.NewReader(conn), s.t}
}

type client struct {
	net.Conn
	r *bufio.Reader
	t *testing.T
}

// answer reads an answer with its body.
func (c *client) answer() (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
}

// ends waits until the server has closed the connection.
func (c *client) ends() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection stays open")
	}
}

func (s *testServer) refused(reason string) float64 {
	return testutil.ToFloat64(s.metrics.refusals.WithLabelValues("test", reason))
}

func (s *testServer) awaitOpen(n int) {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		got := testutil.ToFloat64(s.metrics.connections.WithLabelValues("test"))
		if int(got) == n {
			return
		}
		if time.Since(began) > wait {
			s.t.Fatalf("%v connections are open, want %d", got, n)
		}
	}
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

// TestSilenceEnds: a request that does not go on ends, and so does a connection without one.
func TestSilenceEnds(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, short, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			_, err := io.Copy(io.Discard, r.Body)
			failed <- err
		}
	}))
	clients := map[string]*client{}
	for name, text := range map[string]string{
		"nothing":               "",
		"half a header":         "GET / HTTP/1.1\r\nHost: x\r\nA:",
		"idle":                  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"a body nobody reads":   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
		"a chunked one":         "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"one that is announced": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
		"a body that is read":   "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
	} {
		clients[name] = s.dial(text)
	}
	for name, c := range clients {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.ends()
		})
	}
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler that reads is told: %v", err)
	}
	s.awaitOpen(0)
}

// TestSlowBodyEnds: a byte now and then prolongs nothing.
func TestSlowBodyEnds(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, short, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	}))
	c := s.dial("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	for {
		select {
		case err := <-failed:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the handler is told: %v", err)
			}
			return
		case <-time.After(20 * time.Millisecond):
			if _, err := io.WriteString(c, "x"); err != nil { // the handler was told before
				if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the handler is told: %v", err)
				}
				return
			}
		}
	}
}

// TestUnreadBodyIsAnsweredAtOnce, and what comes behind it is no request.
func TestUnreadBodyIsAnsweredAtOnce(t *testing.T) {
	var requests atomic.Int32
	s := start(t, long(10, 0), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
	}))
	began := time.Now()
	for _, text := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat("x", 1000),
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		c := s.dial(text)
		if resp, _ := c.answer(); resp.StatusCode != http.StatusMethodNotAllowed || !resp.Close {
			t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
		}
		c.ends()
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests", n)
	}
	if took := time.Since(began); took > wait/2 { // else it has waited for the limit of Read
		t.Errorf("it took %v", took)
	}
}

// TestReadBodyKeepsTheConnection: the next request comes on the same one.
func TestReadBodyKeepsTheConnection(t *testing.T) {
	s := start(t, long(10, 0), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v", body, err)
	}))
	c := s.dial(strings.Repeat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 2))
	for range 2 {
		if resp, body := c.answer(); resp.Close || body != "abc <nil>" {
			t.Errorf("close %v: %s", resp.Close, body)
		}
	}
}

// TestUnreadAnswerEnds, large or many: the handler is told, and the connection ends.
func TestUnreadAnswerEnds(t *testing.T) {
	failed := make(chan error, 1)
	block := make([]byte, 1<<20)
	s := start(t, short, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 1000 {
			if _, err := w.Write(block); err != nil {
				select {
				case failed <- err:
				default:
				}
				return
			}
		}
	}))
	s.dial(strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100))
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler is told: %v", err)
	}
	s.awaitOpen(0)
}

// TestHijackedConnectionsHaveNoDeadline, and count until they are closed.
func TestHijackedConnectionsHaveNoDeadline(t *testing.T) {
	taken := make(chan net.Conn, 1)
	s := start(t, short, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		taken <- conn
	}))
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"} {
		c := s.dial(text)
		conn := <-taken
		time.Sleep(2 * short.Read) // longer than any limit: that nothing ends is what is tested
		s.awaitOpen(1)
		go io.WriteString(c, "later")
		got := make([]byte, 5)
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "later" {
			t.Errorf("%q, %v", got, err)
		}
		if _, ok := conn.(interface{ CloseWrite() error }); !ok {
			t.Error("one side cannot be closed")
		}
		conn.Close()
		conn.Close()
		s.awaitOpen(0)
	}
}

// TestUpgradeHasNoBody: it would be read as frames.
func TestUpgradeHasNoBody(t *testing.T) {
	s := start(t, long(10, 0), hello)
	for _, header := range []string{"Upgrade: websocket", "Accept: text/event-stream"} {
		c := s.dial("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" + header + "\r\n\r\n")
		if resp, _ := c.answer(); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with a body: %d", header, resp.StatusCode)
		}
	}
}

// TestReserve: beyond the limit only what is urgent is answered, and connections that say
// nothing make room for it.
func TestReserve(t *testing.T) {
	s := start(t, long(2, 0), hello)
	first, second := s.dial(""), s.dial("")
	s.awaitOpen(2)
	ask := func(text string, status int) {
		t.Helper()
		c := s.dial(text + "\r\nHost: x\r\n\r\n")
		resp, _ := c.answer()
		if resp.StatusCode != status || !resp.Close {
			t.Errorf("%s: %d, close %v, want %d", text, resp.StatusCode, resp.Close, status)
		}
		c.ends()
	}
	ask("GET /healthz HTTP/1.1", 200)
	ask("GET / HTTP/1.1", 503)
	ask("GET /healthz HTTP/1.1\r\nUpgrade: websocket", 503)
	ask("GET /healthz HTTP/1.1\r\nAccept: text/event-stream", 503)
	if n := s.refused("connections"); n != 3 {
		t.Errorf("%v were refused", n)
	}
	s.awaitOpen(2)
	var silent []*client
	for i := range 10 {
		silent = append(silent, s.dial(""))
		s.awaitOpen(2 + min(i+1, 2))
		ask("GET /healthz HTTP/1.1", 200)
	}
	for _, c := range silent[:8] { // evicted long before their time
		_ = c.SetReadDeadline(time.Now().Add(reserveLife / 2))
		c.ends()
	}
	for _, c := range []*client{first, second} {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if resp, body := c.answer(); resp.StatusCode != 200 || body != "hello" {
			t.Errorf("one that was there before: %d %s", resp.StatusCode, body)
		}
	}
	first.Close()
	c := s.dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, _ := c.answer(); resp.StatusCode != 200 && resp.StatusCode != 503 { // the server may not know yet that there is room
		t.Errorf("%d", resp.StatusCode)
	}
}

// TestReservedConnectionsEnd, whatever deadlines are set.
func TestReservedConnectionsEnd(t *testing.T) {
	c := &conn{until: time.Now().Add(time.Minute)}
	for _, at := range []time.Time{{}, time.Now().Add(time.Hour)} {
		if got := c.bound(at); !got.Equal(c.until) {
			t.Errorf("%v is bounded to %v", at, got)
		}
	}
	if soon := time.Now(); !c.bound(soon).Equal(soon) || !(&conn{}).bound(time.Time{}).IsZero() {
		t.Error("an earlier deadline, or none of others, does not stay")
	}
}

func TestPerAddress(t *testing.T) {
	s := start(t, long(100, 3), hello)
	var open []*client
	for range 3 {
		open = append(open, s.dial(""))
	}
	s.awaitOpen(3)
	refused, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	_ = refused.SetDeadline(time.Now().Add(wait))
	if _, err := refused.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("the fourth: %v", err)
	}
	if n := s.refused("address"); n != 1 {
		t.Errorf("%v were refused", n)
	}
	open[0].Close()
	s.awaitOpen(2)
	c := s.dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, _ := c.answer(); resp.StatusCode != 200 {
		t.Errorf("when one has left: %d", resp.StatusCode)
	}
	c.Close()
	for _, c := range open {
		c.Close()
	}
	s.awaitOpen(0)
	if n := len(s.listener.addresses); n != 0 {
		t.Errorf("%d addresses are still counted", n)
	}
}

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::", "::1": "::",
	} {
		addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(text, "1"))
		if err != nil {
			t.Fatal(err)
		}
		if got := network(addr).String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestDivide(t *testing.T) {
	for _, c := range []struct{ descriptors, connections, reserve, withAdmin int }{
		{16, 1, 8, 1}, {256, 176, 16, 144}, {1024, 704, 64, 576}, {20_000, 18_912, 64, 18_784}, {1 << 20, 1<<20 - 1088, 64, 1<<20 - 1216},
	} {
		shared, _ := Divide(c.descriptors, false)
		if shared.Connections != c.connections || shared.Reserve != c.reserve {
			t.Errorf("%d: %+v", c.descriptors, shared)
		}
		beside, admin := Divide(c.descriptors, true)
		if beside.Connections != c.withAdmin || admin.Connections != c.reserve || admin.Reserve != c.reserve {
			t.Errorf("%d: %+v and %+v", c.descriptors, beside, admin)
		}
	}
}
