package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
)

// inner are internal addresses, in every form that one may be written in.
var inner = []string{
	"127.0.0.1", "127.1", "127.255.255.254", "0.0.0.0", "0", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "LOCALHOST.", "10.0.0.1", "10.255.255.255",
	"172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.254", "192.0.0.1", "192.0.2.1",
	"198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]",
	"[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]", "[2001:db8::1]", "[100::1]", "[2001::1]",
}

// TestInternalAddressesAreRefused proves that no connection is made to an internal address, in any
// notation.
func TestInternalAddressesAreRefused(t *testing.T) {
	transport, err := newTransport(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	for _, host := range inner {
		_, err := transport.DialContext(t.Context(), "tcp", host+":80")
		var refused *httpclient.InternalError
		var unknown *net.DNSError // 0177.0.0.1 and the like are names, of nothing
		if !errors.As(err, &refused) && !errors.As(err, &unknown) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(inner) < 40 {
		t.Errorf("%d forms", len(inner))
	}
}

// TestRebinding proves that a name is refused which resolves to a public address at the check, and to
// an internal one when the sink connects.
func TestRebinding(t *testing.T) {
	var reached atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer receiver.Close()
	_, port, _ := net.SplitHostPort(receiver.Listener.Addr().String())
	dns := nameServer(t)
	transport, err := newTransport(Options{})
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", dns)
	}}, Control: httpclient.NewGuard(nil).Control}
	transport.DialContext = dialer.DialContext
	client := &http.Client{Transport: transport}
	for range 3 {
		_, err := client.Get("http://rebinding.example:" + port)
		if err == nil || !strings.Contains(err.Error(), "internal address") {
			t.Errorf("error %v", err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestAllow proves that allowed internal addresses can be used, and what the check reports.
func TestAllow(t *testing.T) {
	url, bodies, _ := endpoint(t, 204, nil)
	err := send(t, Options{URL: options.NewURL(url), Allow: []options.Network{}}, &event.Event{Data: []byte("x")})
	if err == nil || !strings.Contains(err.Error(), "internal address") {
		t.Errorf("error %v", err)
	}
	if err := send(t, Options{URL: options.NewURL(url), Allow: []options.Network{options.NewNetwork("127.0.0.0/8")}}, &event.Event{Data: []byte("x")}); err != nil || <-bodies != "x" {
		t.Error(err)
	}
	for o, want := range map[*Options]string{
		{URL: options.NewURL("http://localhost:1")}:                                                          `url: is an internal address: write allow: ["127.0.0.1"]`,
		{URL: options.NewURL("http://[::1]:1")}:                                                              `url: is an internal address: write allow: ["::1"]`,
		{URL: options.NewURL("http://LOCALHOST.:1")}:                                                         `url: is an internal address: write allow: ["127.0.0.1"]`,
		{URL: options.NewURL("http://[::ffff:127.0.0.1]")}:                                                   `url: is an internal address: write allow: ["127.0.0.1"]`,
		{URL: options.NewURL("http://[fe80::1%25eth0]")}:                                                     `url: is an internal address: write allow: ["fe80::1"]`,
		{URL: options.NewURL("http://10.0.0.1"), Allow: []options.Network{options.NewNetwork("10.0.0.0/8")}}: "",
		{URL: options.NewURL("https://shop.example")}:                                                        "",
	} {
		fill(o)
		got := ""
		o.Check(func(option, text string) { got += fmt.Sprintf("%s: %s", option, text) })
		if !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q", o.URL, got)
		}
	}
}

// nameServer answers every question for an A record with 127.0.0.1, and returns its address.
func nameServer(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			end := 12 // behind the header: the name, in labels
			for end < n && buf[end] != 0 {
				end += int(buf[end]) + 1
			}
			end += 5 // and the type and the class
			answer := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, buf[12:end]...)
			if buf[end-3] == 1 { // A
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	return conn.LocalAddr().String()
}
