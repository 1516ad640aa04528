package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// counting is a server that counts its connections.
func counting(t *testing.T, h http.HandlerFunc) (s *httptest.Server, connections *atomic.Int64) {
	connections = &atomic.Int64{}
	s = httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	t.Cleanup(s.Close)
	return s, connections
}

// file writes a file, and returns it as an option.
func file(t *testing.T, kind string, der []byte) (f options.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.UnmarshalText([]byte(path)); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRedirectsAreNotFollowed proves that redirects are not followed, neither to an internal address
// nor to the endpoint itself.
func TestRedirectsAreNotFollowed(t *testing.T) {
	inside, reached := counting(t, func(http.ResponseWriter, *http.Request) {})
	inside.Start()
	for _, code := range []int{301, 302, 303, 307, 308} {
		redirecting := httptest.NewServer(http.RedirectHandler(inside.URL, code))
		err := send(t, Options{URL: options.NewURL(redirecting.URL)}, &event.Event{Data: []byte("{}")})
		redirecting.Close()
		if err == nil || !plugin.IsPermanent(err) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections to the target", n)
	}
}

// TestTLS proves that the endpoint's certificate must be of the configured authority, that the
// client sends its own, and that an HTTP/2 connection is reused.
func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the gateway"}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 100)
	s, connections := counting(t, func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Proto + " " + r.TLS.PeerCertificates[0].Subject.CommonName
	})
	s.EnableHTTP2, s.TLS = true, &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	o := Options{URL: options.NewURL(s.URL), TLS: options.TLS{Cert: file(t, "CERTIFICATE", cert), Key: file(t, "PRIVATE KEY", private)}}
	if err := send(t, o, &event.Event{}); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an unknown authority: %v", err)
	}
	o.TLS.CA = file(t, "CERTIFICATE", s.Certificate().Raw)
	before := connections.Load()
	sink := made(t, o)
	defer sink.(plugin.Closer).Close(t.Context())
	for range 10 {
		if err := sink.Write(t.Context(), []*event.Event{{Data: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != "HTTP/2.0 the gateway" {
			t.Error(got)
		}
	}
	if n := connections.Load() - before; n != 1 {
		t.Errorf("%d connections", n)
	}
	for _, f := range sink.(plugin.Prober).Probe(t.Context()) {
		if f.Level != plugin.OK {
			t.Errorf("%+v", f)
		}
	}
	o.TLS.CA = file(t, "NOTHING", nil)
	if _, err := Type().Build(&o, plugin.Env{}); err == nil || !strings.HasPrefix(err.Error(), "tls.ca: ") {
		t.Error(err)
	}
}

// TestProxy proves that the configured proxy is used, and not the environment's.
func TestProxy(t *testing.T) {
	proxied := make(chan string, 10)
	proxy, connections := counting(t, func(w http.ResponseWriter, r *http.Request) { proxied <- r.RequestURI })
	proxy.Start()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	url, bodies, _ := endpoint(t, 200, nil)
	if err := send(t, Options{URL: options.NewURL(url)}, &event.Event{Data: []byte("x")}); err != nil || <-bodies != "x" || connections.Load() != 0 {
		t.Errorf("%v, %d connections to the proxy", err, connections.Load())
	}
	o := Options{URL: options.NewURL("http://shop.invalid/in"), Proxy: options.NewURL(proxy.URL), Allow: []options.Network{}}
	if err := send(t, o, &event.Event{}); err != nil {
		t.Fatal(err)
	}
	if got := <-proxied; got != "http://shop.invalid/in" {
		t.Error(got)
	}
}

// TestResponsesAreBounded proves that responses are bounded in size and time. The status counts all
// the same, and the first KB is in the error.
func TestResponsesAreBounded(t *testing.T) {
	release := make(chan struct{})
	s, connections := counting(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/small":
			io.WriteString(w, strings.Repeat("x", 32<<10))
		case "/endless":
			w.WriteHeader(200)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		case "/trickle", "/trickled":
			w.WriteHeader(map[string]int{"/trickle": 200, "/trickled": 500}[r.URL.Path])
			for i := range 5 {
				fmt.Fprint(w, i)
				w.(http.Flusher).Flush()
			}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 2*maxResponseHeader))
		case "/long":
			w.WriteHeader(500)
			io.WriteString(w, strings.Repeat("y", 5000))
		}
	})
	s.Start()
	defer close(release)
	for path, want := range map[string]string{"/small": "", "/endless": "", "/trickle": "", "/trickled": `500 Internal Server Error: "01234"`, "/headers": "exceed", "/long": `"` + strings.Repeat("y", httpclient.MaxExcerpt) + `"`} {
		begin := time.Now()
		err := send(t, Options{URL: options.NewURL(s.URL + path)}, &event.Event{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
		if took := time.Since(begin); took > httpclient.MaxDrainTime+10*time.Second {
			t.Errorf("%s took %v", path, took)
		}
	}
	sink := made(t, Options{URL: options.NewURL(s.URL + "/small")})
	defer sink.(plugin.Closer).Close(t.Context())
	before := connections.Load()
	for range 20 {
		if err := sink.Write(t.Context(), []*event.Event{{}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load() - before; n != 1 {
		t.Errorf("%d connections for 20 requests", n)
	}
}
