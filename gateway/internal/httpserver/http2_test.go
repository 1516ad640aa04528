package httpserver

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestBodiesOverHTTP2 proves that a request by HTTP/2 whose body is not read does not end the connection, and that a
// request for a stream has no body.
func TestBodiesOverHTTP2(t *testing.T) {
	files := testenv.MakeCertificates(t, "client")
	s, config := startTLS(t, long(10, 0), NewCertificates(serverTLS(t, files.ServerCert, files.ServerKey)), files.CA, hello)
	c := clientOf(t, config)
	for _, want := range []struct {
		method, accept, body string
		status               int
	}{{"POST", "", strings.Repeat("x", 1<<20), 200}, {"GET", "text/event-stream", "", 200}, {"GET", "text/event-stream", "x", 400}, {"GET", "", "", 200}} {
		req, err := http.NewRequestWithContext(t.Context(), want.method, "https://"+s.Addr().String()+"/", strings.NewReader(want.body))
		if err != nil {
			t.Fatal(err)
		}
		if want.body != "" {
			req.Body, req.ContentLength = io.NopCloser(strings.NewReader(want.body)), -1
		}
		req.Header.Set("Accept", want.accept)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want.status || resp.ProtoMajor != 2 {
			t.Errorf("%s %s with %d bytes: %s %s, want %d", want.method, want.accept, len(want.body), resp.Proto, resp.Status, want.status)
		}
	}
}
