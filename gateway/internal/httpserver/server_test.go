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
	"testing"
	"time"

	"eventgateway/gateway/testenv"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

// wait bounds the time until a signal that should come at once.
const wait = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short are limits of which each test can reach one.
var short = Limits{
	Connections: 100, Reserve: 2,
	Header: 200 * time.Millisecond, Read: 400 * time.Millisecond, Write: 400 * time.Millisecond, Idle: 300 * time.Millisecond,
}

// long are limits that no test reaches.
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

// dial opens a connection and sends text.
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
	return testutil.ToFloat64(s.metrics.refused.WithLabelValues("test", reason))
}

func (s *testServer) awaitOpen(n int) {
	s.t.Helper()
	open := func() int { return int(testutil.ToFloat64(s.metrics.connections.WithLabelValues("test"))) }
	testenv.Eventually(s.t, wait, fmt.Sprintf("%d connections open", n), func() bool { return open() == n }, func() string { return fmt.Sprint(open()) })
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

// TestIncompleteRequestsEnd proves that incomplete requests, and connections without a request, are ended.
func TestIncompleteRequestsEnd(t *testing.T) {
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
		"a body without reader": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
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

// TestSlowBodyEnds proves that single bytes do not postpone the deadline of a request.
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
			if _, err := io.WriteString(c, "x"); err != nil { // the handler has got an error before
				if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the handler is told: %v", err)
				}
				return
			}
		}
	}
}

// TestUnreadBodyIsAnsweredAtOnce proves that a request whose body is not read is answered at once, and that bytes after
// it are not taken for a request.
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

// TestReadBodyKeepsTheConnection proves that a connection serves a further request after a body was read.
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

// TestUnreadAnswerEnds proves that a connection ends, and its handler gets an error, if the client does not read a
// large answer or many answers.
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

// TestHijackedConnectionsHaveNoDeadline proves that hijacked connections have no deadline, and count until they are
// closed.
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
		time.Sleep(2 * short.Read) // longer than any limit, after which the connection must still be open
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

// TestUpgradeHasNoBody proves that a handshake with a body is refused, since the body would be read as frames.
func TestUpgradeHasNoBody(t *testing.T) {
	s := start(t, long(10, 0), hello)
	for _, header := range []string{"Upgrade: websocket", "Accept: text/event-stream"} {
		c := s.dial("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" + header + "\r\n\r\n")
		if resp, _ := c.answer(); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with a body: %d", header, resp.StatusCode)
		}
	}
}
