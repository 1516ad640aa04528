package httpserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// serverTLS returns the TLS configuration of a listener with the certificate in two files.
func serverTLS(t *testing.T, cert, key string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
}

// startTLS starts a server with TLS, and returns a configuration of its clients.
func startTLS(t *testing.T, limits Limits, c *Certificates, ca string, h http.Handler) (*testServer, *tls.Config) {
	t.Helper()
	m := NewMetrics()
	s, err := Listen(Options{
		Name: "test", Address: "127.0.0.1:0", Limits: limits, Metrics: m, Certificates: c,
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
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return &testServer{s, t, m}, &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// clientOf returns a client of a server that offers HTTP/2, unless the protocols of config are others.
func clientOf(t *testing.T, config *tls.Config) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: config.NextProtos == nil}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: wait}
}

func (s *testServer) get(c *http.Client, path string) (*http.Response, string) {
	s.t.Helper()
	resp, err := c.Get("https://" + s.Addr().String() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(body)
}

// TestReplacedCertificateKeepsConnections proves that new handshakes get the new certificate, and that connections
// stay.
func TestReplacedCertificateKeepsConnections(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	certificates := NewCertificates(serverTLS(t, files.ServerCert, files.ServerKey))
	s, config := startTLS(t, long(10, 0), certificates, files.CA, hello)
	first, fresh := clientOf(t, config), clientOf(t, config)
	before, _ := s.get(first, "/")
	certificates.Set(serverTLS(t, files.ClientCert, files.ClientKey))
	certificates.Set(func() *tls.Config {
		cert, key := files.Server(t, time.Now().Add(time.Hour))
		return serverTLS(t, cert, key)
	}())
	same, _ := s.get(first, "/")
	other, body := s.get(fresh, "/")
	serial := func(r *http.Response) string { return r.TLS.PeerCertificates[0].SerialNumber.String() }
	if serial(before) != serial(same) || serial(before) == serial(other) || body != "hello" {
		t.Errorf("serial numbers %s, %s and %s", serial(before), serial(same), serial(other))
	}
	for _, r := range []*http.Response{before, same, other} {
		if r.ProtoMajor != 2 {
			t.Errorf("the protocol is %s", r.Proto)
		}
	}
	s.awaitOpen(2)
}

// TestPlainRequestToTLSIsAnswered proves that a request without TLS gets an answer with the reason.
func TestPlainRequestToTLSIsAnswered(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	s, _ := startTLS(t, long(10, 0), NewCertificates(serverTLS(t, files.ServerCert, files.ServerKey)), files.CA, hello)
	c := s.dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, body := c.answer(); resp.StatusCode != 400 || !strings.Contains(body, "HTTP request to an HTTPS server") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	c.ends()
	s.awaitOpen(0)
}

// TestSlowHandshakesEnd proves that TLS handshakes that go no further do not hold others up, and that they end.
func TestSlowHandshakesEnd(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	limits := long(200, 0)
	limits.Header = 2 * time.Second
	s, config := startTLS(t, limits, NewCertificates(serverTLS(t, files.ServerCert, files.ServerKey)), files.CA, hello)
	var slow []*client
	for i := range 100 { // none, or a part, of a ClientHello
		slow = append(slow, s.dial("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:i%11]))
	}
	s.awaitOpen(100)
	if resp, body := s.get(clientOf(t, config), "/"); resp.StatusCode != 200 || body != "hello" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for _, c := range slow {
		c.ends()
	}
	s.awaitOpen(1)
}

// TestReserveServesUrgentRequestsOverTLS proves that the bound of connections holds for HTTP/1.1 and HTTP/2 over TLS.
func TestReserveServesUrgentRequestsOverTLS(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	s, config := startTLS(t, long(1, 0), NewCertificates(serverTLS(t, files.ServerCert, files.ServerKey)), files.CA, hello)
	s.dial("")
	s.awaitOpen(1)
	http1 := config.Clone()
	http1.NextProtos = []string{"http/1.1"}
	for _, c := range []*tls.Config{config, http1} {
		for path, want := range map[string]int{"/healthz": 200, "/": 503} {
			resp, _ := s.get(clientOf(t, c), path)
			if resp.StatusCode != want {
				t.Errorf("%s by %s: %s, want %d", path, resp.Proto, resp.Status, want)
			}
			if wantMajor := 2 - len(c.NextProtos); resp.ProtoMajor != wantMajor {
				t.Errorf("the protocol is %s", resp.Proto)
			}
		}
	}
}

// TestClientCertificateIsRequired proves that a listener which requires certificates serves only clients with one of its
// authority.
func TestClientCertificateIsRequired(t *testing.T) {
	ours, foreign := testenv.MakeCertificates(t, "client"), testenv.MakeCertificates(t, "client")
	text, err := os.ReadFile(ours.CA)
	if err != nil {
		t.Fatal(err)
	}
	server := serverTLS(t, ours.ServerCert, ours.ServerKey)
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	server.ClientCAs.AppendCertsFromPEM(text)
	s, config := startTLS(t, long(10, 0), NewCertificates(server), ours.CA, hello)
	for name, c := range map[string]testenv.Certificates{"none": {}, "foreign": foreign, "ours": ours} {
		own := config.Clone()
		if c.ClientCert != "" {
			pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
			if err != nil {
				t.Fatal(err)
			}
			own.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		resp, err := clientOf(t, own).Get("https://" + s.Addr().String() + "/")
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != (name == "ours") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
