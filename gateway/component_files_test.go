package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

// TestChangedFilesOfComponentsAreReloaded proves that a changed file of the tls of a sink takes effect without a signal, and replaces
// only the sink that names it.
func TestChangedFilesOfComponentsAreReloaded(t *testing.T) {
	right, wrong := testenv.MakeCertificates(t, "client"), testenv.MakeCertificates(t, "client")
	pair, err := tls.LoadX509KeyPair(right.ServerCert, right.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan struct{}, 1)
	receiver := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case received <- struct{}{}:
		default:
		}
	}))
	receiver.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	receiver.StartTLS()
	defer receiver.Close()
	dir := t.TempDir()
	authority, file := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "gateway.yaml")
	put := func(from string) {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, authority, string(text))
	}
	put(wrong.CA)
	writeFile(t, file, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 50}}
sinks:
  shop: {type: webhook, url: %q, allow: [127.0.0.1], tls: {ca: %q}, retry: {max: 100ms}}
  out: {type: stdout}
routes: {all: {from: [made], to: [shop, out]}}
`, receiver.URL, authority))
	p := startBinary(t, nil, "-c", file)
	p.awaitLog("certificate signed by unknown authority")
	put(right.CA)
	select {
	case <-received:
	case <-time.After(testenv.Wait):
		t.Fatalf("the receiver gets nothing:\n%s", p.stderr.String())
	}
	p.awaitLog("a file was changed")
	stopProgram(t, p)
}
