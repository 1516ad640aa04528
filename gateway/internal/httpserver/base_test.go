package httpserver

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
)

// TestBaseIsStripped proves that the base path is stripped from requests that have it.
func TestBaseIsStripped(t *testing.T) {
	table := NewTable()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(table.Handle("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "well") })))
	must(table.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })))
	must(table.HandleUpgrade("/live", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "live "+r.URL.Path) })))
	s, err := Listen(Options{Name: "test", Address: "127.0.0.1:0", Limits: long(10, 0), Metrics: NewMetrics(), Base: "/orders", Urgent: func(string) bool { return false }}, slog.New(slog.DiscardHandler))
	must(err)
	s.Start(table)
	defer func() { must(s.Shutdown(context.Background())) }()
	defer http.DefaultClient.CloseIdleConnections()
	server := "http://" + s.Addr().String()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct {
		path, accept string
		status       int
		want         string
	}{
		{"/orders/", "", 200, "/"}, {"/orders/healthz", "", 200, "well"}, {"/healthz", "", 200, "well"}, {"/", "", 200, "/"}, {"/orders/a%2Fb/c", "", 200, "/a/b/c"},
		{"/ordersx", "", 200, "/ordersx"}, {"/orders?x=1", "", 308, "/orders/?x=1"}, {"/orders/live", "text/event-stream", 200, "live /live"}, {"/live", "text/event-stream", 200, "live /live"},
		{"/live?snapshot=orders", "", 200, "live /live"}, {"/orders/live?x=1&snapshot=orders&filter=a", "application/x-ndjson", 200, "live /live"}, {"/?snapshot=orders", "", 200, "/"}, {"/live?xsnapshot=1", "", 200, "/live"},
	} {
		req, err := http.NewRequest("GET", server+c.path, nil)
		must(err)
		req.Header.Set("Accept", c.accept)
		resp, err := client.Do(req)
		must(err)
		body, err := io.ReadAll(resp.Body)
		must(err)
		resp.Body.Close()
		got := string(body)
		if resp.StatusCode >= 300 {
			got = resp.Header.Get("Location")
		}
		if resp.StatusCode != c.status || got != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.path, resp.StatusCode, got, c.status, c.want)
		}
	}
}
