package httpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

// startBehindProxy starts a server that expects a PROXY header from a network.
func startBehindProxy(t *testing.T, limits Limits, network string) *testServer {
	t.Helper()
	m := NewMetrics()
	s, err := Listen(Options{
		Name: "test", Address: "127.0.0.1:0", Limits: limits, Metrics: m, Proxies: []netip.Prefix{netip.MustParsePrefix(network)},
		Urgent: func(string) bool { return false },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return &testServer{s, t, m}
}

const plainRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// binaryHeader returns a header of version 2.
func binaryHeader(t *testing.T, command proxyproto.ProtocolVersionAndCommand, source string) string {
	t.Helper()
	from, to := &net.TCPAddr{IP: net.ParseIP(source), Port: 4711}, &net.TCPAddr{IP: net.ParseIP("2001:db8::9"), Port: 443}
	h := proxyproto.HeaderProxyFromAddrs(2, from, to)
	h.Command = command
	var b bytes.Buffer
	if _, err := h.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestProxyHeaderNamesTheClient proves that the address in a header of a listed proxy is that of the client, and
// that a connection of the proxy itself has the proxy's.
func TestProxyHeaderNamesTheClient(t *testing.T) {
	s := startBehindProxy(t, long(100, 0), "127.0.0.0/8")
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n":     "192.0.2.7:4711",
		"PROXY TCP6 2001:db8::7 2001:db8::9 4711 443\r\n": "[2001:db8::7]:4711",
		binaryHeader(t, proxyproto.PROXY, "2001:db8::7"):  "[2001:db8::7]:4711",
		binaryHeader(t, proxyproto.LOCAL, "2001:db8::7"):  "127.0.0.1:",
		"PROXY UNKNOWN\r\n":                               "127.0.0.1:",
	} {
		for _, piece := range []int{1, len(plainRequest), 1000} {
			// Proxies send the header at once, as the specification demands; what follows may be in pieces.
			c := s.dial(header)
			for text := plainRequest + plainRequest; len(text) > 0; {
				n := min(piece, len(text))
				if _, err := io.WriteString(c, text[:n]); err != nil {
					t.Fatal(err)
				}
				text = text[n:]
			}
			for range 2 {
				if resp, body := c.answer(); resp.StatusCode != 200 || !strings.HasPrefix(body, want) {
					t.Errorf("%q: %d %s, want %s", header, resp.StatusCode, body, want)
				}
			}
			c.Close()
		}
	}
	s.awaitOpen(0)
}

// TestMissingProxyHeaderEnds proves that a connection of a listed proxy without a header ends, and that a header of
// another peer is no header.
func TestMissingProxyHeaderEnds(t *testing.T) {
	limits := long(100, 0)
	limits.Header = time.Second
	s := startBehindProxy(t, limits, "127.0.0.0/8")
	for _, text := range []string{plainRequest, "", "PROXY TCP4 192.0.2.7", "PROXY TCP4 a b c d\r\n" + plainRequest} {
		c := s.dial(text)
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if n := s.refused("proxy_protocol"); n != 4 {
		t.Errorf("%v connections were refused", n)
	}
	s.awaitOpen(0)
	other := startBehindProxy(t, long(100, 0), "192.0.2.0/24")
	if resp, _ := other.dial("PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n" + plainRequest).answer(); resp.StatusCode != 400 {
		t.Errorf("a header of another peer: %d", resp.StatusCode)
	}
	if resp, body := other.dial(plainRequest).answer(); resp.StatusCode != 200 || !strings.HasPrefix(body, "127.0.0.1:") {
		t.Errorf("no header of another peer: %d %s", resp.StatusCode, body)
	}
}

// TestProxiedClientsAreBounded proves that PerAddress counts the clients behind a proxy, each for its own address.
func TestProxiedClientsAreBounded(t *testing.T) {
	s := startBehindProxy(t, long(100, 2), "127.0.0.1/32")
	dial := func(address string) *client {
		return s.dial("PROXY TCP4 " + address + " 127.0.0.1 4711 443\r\n" + plainRequest)
	}
	var open []*client
	for _, address := range []string{"192.0.2.7", "192.0.2.7", "192.0.2.8"} {
		c := dial(address)
		if resp, _ := c.answer(); resp.StatusCode != 200 {
			t.Errorf("%s: %d", address, resp.StatusCode)
		}
		open = append(open, c)
	}
	if _, err := io.Copy(io.Discard, dial("192.0.2.7")); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	if n := s.refused("address"); n != 1 {
		t.Errorf("%v connections were refused", n)
	}
	for _, c := range open {
		c.Close()
	}
	s.awaitOpen(0)
	if n := len(s.listener.addresses); n != 0 {
		t.Errorf("%d addresses are still counted", n)
	}
}
