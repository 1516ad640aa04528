package httpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// takesOver takes over a connection, sends text and closes the connection after the client has.
func takesOver(w http.ResponseWriter, r *http.Request) {
	entry := plugin.Access(r.Context())
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
	_, _ = rw.ReadByte()
	entry.SetReason("client")
	_ = conn.Close()
}

// startLogged starts a server with an access log, and returns a function that returns the next line.
func startLogged(t *testing.T, on bool) (*testServer, *AccessLog, func() map[string]any) {
	t.Helper()
	var out testenv.Log
	access, m := NewAccessLog(slog.New(slog.NewJSONHandler(&out, nil))), NewMetrics()
	access.Set(on)
	s, err := Listen(Options{
		Name: "shared", Address: "127.0.0.1:0", Limits: long(100, 0), Metrics: m, Access: access, Base: "/base",
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Urgent: func(string) bool { return false },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/socket":
			takesOver(w, r)
		case "/user":
			plugin.Access(r.Context()).SetUser("ada", "admin")
			plugin.Access(r.Context()).SetClient("192.0.2.1")
			http.Error(w, "no", http.StatusTeapot)
		case "/panic":
			panic(http.ErrAbortHandler)
		default:
			io.WriteString(w, "hi")
		}
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	seen := 0
	next := func() (line map[string]any) {
		t.Helper()
		testenv.Eventually(t, testenv.Wait, "a line", func() bool { return strings.Count(out.String(), "\n") > seen })
		if err := json.Unmarshal([]byte(strings.Split(out.String(), "\n")[seen]), &line); err != nil {
			t.Fatal(err)
		}
		seen++
		return line
	}
	return &testServer{s, t, m}, access, next
}

// TestAccessLog proves what the line of each kind of request has, and that none has the query.
func TestAccessLog(t *testing.T) {
	s, _, next := startLogged(t, true)
	const client = "PROXY TCP4 198.51.100.7 127.0.0.1 4711 80\r\n"
	request := func(path, header string) string {
		return client + "GET " + path + "?token=s3cret HTTP/1.1\r\nHost: x\r\n" + header + "\r\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"an answer":          {request("/base/a", "X-Request-Id: of-the-proxy\r\n"), `shared GET /base/a HTTP/1.1 200 2 198.51.100.7:4711 <nil> <nil> <nil> <nil> of-the-proxy`},
		"a user":             {request("/user", "X-Request-Id: 1\r\n"), `shared GET /user HTTP/1.1 418 3 192.0.2.1 198.51.100.7:4711 ada admin <nil> 1`},
		"a panic":            {request("/panic", "X-Request-Id: 2\r\n"), `shared GET /panic HTTP/1.1 0 0 198.51.100.7:4711 <nil> <nil> <nil> aborted 2`},
		"no sane request ID": {request("/a", "X-Request-Id: \"a\"\r\n"), ""},
		"a redirect":         {request("/base", "X-Request-Id: 3\r\n"), `shared GET /base HTTP/1.1 308 55 198.51.100.7:4711 <nil> <nil> <nil> <nil> 3`},
	} {
		conn := s.dial(c.text)
		header := ""
		if name == "a panic" {
			_, _ = io.ReadAll(conn)
		} else {
			resp, _ := conn.answer()
			header = resp.Header.Get("X-Request-Id")
		}
		line := next()
		got := fmt.Sprintf("%v %v %v %v %v %v %v %v %v %v %v %v", line["listener"], line["method"], line["path"], line["protocol"], line["status"], line["bytes"], line["client"], line["proxy"], line["user"], line["role"], line["reason"], line["request_id"])
		if c.want != "" && got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
		if c.want == "" && (len(fmt.Sprint(line["request_id"])) != 26 || line["request_id"] != header) {
			t.Errorf("%s: request ID %v, and %s in the answer", name, line["request_id"], header)
		}
		if _, err := time.ParseDuration(fmt.Sprint(line["duration"])); err != nil || strings.Contains(fmt.Sprint(line), "s3cret") {
			t.Errorf("%s: %v, %v", name, err, line)
		}
	}
}

// TestAccessLogOfConnectionsTakenOver proves that the line of a connection which a handler takes over comes at its end, with the
// bytes that were sent over it, and the reason.
func TestAccessLogOfConnectionsTakenOver(t *testing.T) {
	s, _, next := startLogged(t, true)
	conn := s.dial("PROXY UNKNOWN\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.answer()
	if line := next(); line["path"] != "/a" {
		t.Fatalf("%v", line)
	}
	_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if resp, err := http.ReadResponse(conn.r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	s.dial("PROXY UNKNOWN\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n").answer()
	if line := next(); line["path"] != "/b" {
		t.Errorf("the open connection has a line: %v", line)
	}
	_, _ = io.WriteString(conn, "x")
	line, sent := next(), len("HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
	if line["path"] != "/socket" || line["status"] != 101.0 || line["bytes"] != float64(sent) || line["reason"] != "client" {
		t.Errorf("%v, want %d bytes", line, sent)
	}
}

// TestAccessLogIsOffAndOn proves that requests have neither a line nor an ID while the log is off.
func TestAccessLogIsOffAndOn(t *testing.T) {
	s, access, next := startLogged(t, false)
	const first, second = "PROXY UNKNOWN\r\nGET /off HTTP/1.1\r\nHost: x\r\n\r\n", "GET /on HTTP/1.1\r\nHost: x\r\n\r\n"
	conn := s.dial(first)
	if resp, _ := conn.answer(); resp.Header.Get("X-Request-Id") != "" {
		t.Errorf("%v", resp.Header)
	}
	access.Set(true)
	_, _ = io.WriteString(conn, second)
	conn.answer()
	if line := next(); line["path"] != "/on" {
		t.Errorf("%v", line)
	}
}

// BenchmarkAccessLog compares requests without and with the access log.
func BenchmarkAccessLog(b *testing.B) {
	for name, on := range map[string]bool{"off": false, "on": true} {
		b.Run(name, func(b *testing.B) {
			access := NewAccessLog(slog.New(slog.NewJSONHandler(io.Discard, nil)))
			access.Set(on)
			h := logged{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), access, "shared"}
			r, err := http.NewRequest("GET", "/a", nil)
			if err != nil {
				b.Fatal(err)
			}
			r = r.WithContext(withConn(r.Context(), &conn{}))
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discarded{}, r)
			}
		})
	}
}

type discarded struct{}

func (discarded) Header() http.Header         { return http.Header{} }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}
