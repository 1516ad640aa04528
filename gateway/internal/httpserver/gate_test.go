package httpserver

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestReserveServesUrgentRequests proves that beyond the limit only urgent requests are served, and that they replace
// silent connections.
func TestReserveServesUrgentRequests(t *testing.T) {
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
	if resp, _ := c.answer(); resp.StatusCode != 200 && resp.StatusCode != 503 { // the server may not have counted the close yet
		t.Errorf("%d", resp.StatusCode)
	}
}

// TestReservedConnectionsEnd proves that a handler cannot postpone the end of a connection in the reserve.
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
	if err == nil { // the reset may also come before Dial returns
		defer refused.Close()
		_ = refused.SetDeadline(time.Now().Add(wait))
		_, err = refused.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
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
