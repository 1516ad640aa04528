package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// topAnswers are two answers of /api/status, a second apart.
var topAnswers = []string{
	`{"version":"1","started":"2026-01-01T00:00:00Z","now":"2026-01-01T01:00:00Z","dead_letters":2,"health":{"state":"degraded","reasons":[{"component":"sink bus","since":"2026-01-01T00:59:00Z","text":"down: re\u001b[2Jfused"}]},
"sources":[{"name":"in","type":"generate","up":true,"since":"2026-01-01T00:00:00Z","emitted":1000,"outstanding":3,"errors":0}],
"routes":[{"name":"all","in":1000,"out":900,"errors":1}],
"sinks":[{"name":"browsers","type":"websocket","up":true,"since":"2026-01-01T00:00:00Z","in":450,"delivered":440,"queued":10,"errors":0,"breaker":{"state":"closed"}},
{"name":"bus","type":"redis-pub","up":false,"since":"2026-01-01T00:59:00Z","failing":true,"in":450,"delivered":400,"queued":50,"retrying":1,"errors":7,"breaker":{"state":"half_open"}}]}`,
	`{"version":"1","started":"2026-01-01T00:00:00Z","now":"2026-01-01T01:00:02Z","dead_letters":2,"health":{"state":"ok","reasons":[]},
"sources":[{"name":"in","type":"generate","up":true,"since":"2026-01-01T00:00:00Z","emitted":3000,"outstanding":3,"errors":0}],
"routes":[{"name":"all","in":3000,"out":2500,"errors":1}],
"sinks":[{"name":"browsers","type":"websocket","up":true,"since":"2026-01-01T00:00:00Z","in":1250,"delivered":1240,"queued":10,"errors":0,"breaker":{"state":"closed"}},
{"name":"bus","type":"redis-pub","up":true,"since":"2026-01-01T00:59:00Z","in":1250,"delivered":1200,"queued":50,"errors":7,"breaker":{"state":"closed"}}]}`,
}

// TestTopShowsRates proves the table and the line that top makes of two answers, and that the text of a server
// does not control the terminal.
func TestTopShowsRates(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			w.Write([]byte("gateway_websocket_clients{sink=\"browsers\"} 12\n"))
			return
		}
		w.Write([]byte(topAnswers[n%2]))
		n++
	}))
	defer server.Close()
	table := &top{client: &apiClient{base: server.URL, name: server.URL, client: server.Client()}, draws: true}
	first, second := table.refresh(t.Context()), table.refresh(t.Context())
	for _, want := range []string{"DEGRADED  gateway 1 at http://", "sink bus, since ", `(1m0s): down: re\x1b[2Jfused`, "dead letters in memory since the start: 2", "sink bus: down, breaker half open"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is missing:\n%s", want, first)
		}
	}
	if strings.Count(first, "\x1b[2J") > 0 || !strings.HasPrefix(first, "\x1b[H") {
		t.Errorf("%q", first)
	}
	cells := strings.ReplaceAll(strings.Join(strings.Fields(second), " "), "\x1b[K", "")
	for _, want := range []string{"- 1000 - 3 - 0 - source in: up", "1000 800 0 - - 1 - route all: up", "400 400 10 0 0 0 12 sink browsers: up", "400 400 50 0 0 7 - sink bus: up"} {
		if !strings.Contains(cells, want) {
			t.Errorf("%q is missing:\n%s", want, second)
		}
	}
	lines := &top{client: table.client}
	lines.refresh(t.Context())
	if got, want := lines.refresh(t.Context()), "2026-01-01T01:00:02Z state=ok in=1000/s out=800/s queued=60 in_flight=3 errors=8 dead_letters=2 clients=12\n"; got != want {
		t.Errorf("%swant %s", got, want)
	}
}
