package httpserver

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
)

// Table is the handlers of one graph. It is filled while the graph is built and
// read-only once it serves.
type Table struct {
	pages    *http.ServeMux
	upgrades *http.ServeMux
	mounted  int
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{pages: http.NewServeMux(), upgrades: http.NewServeMux()}
}

// Handle is part of plugin.Mounter.
func (t *Table) Handle(pattern string, h http.Handler) error {
	return t.mount(t.pages, pattern, h)
}

// HandleUpgrade is part of plugin.Mounter.
func (t *Table) HandleUpgrade(pattern string, h http.Handler) error {
	return t.mount(t.upgrades, pattern, h)
}

// mount turns ServeMux's panics, which mean a wrong configuration here, into errors.
func (t *Table) mount(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			reason := fmt.Sprint(p)
			if strings.Contains(reason, "conflicts with pattern") { // it goes on with places in our source
				reason = "another component has it already"
			}
			err = fmt.Errorf("the path %q cannot be mounted: %s", pattern, reason)
		}
	}()
	mux.Handle(pattern, h)
	t.mounted++
	return nil
}

// Switch serves the table that was set last: each graph has its own, and a reload
// swaps them at once. Requests under way go on with the one they began with.
type Switch struct{ table atomic.Pointer[Table] }

// Set has t served from now on.
func (s *Switch) Set(t *Table) { s.table.Store(t) }

// Len returns how many handlers are mounted on the table that is served.
func (s *Switch) Len() int { return s.table.Load().Len() }

// ServeHTTP is part of [http.Handler].
func (s *Switch) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.table.Load().ServeHTTP(w, r) }

// Len returns how many handlers are mounted.
func (t *Table) Len() int { return t.mounted }

// ServeHTTP sends upgrades, and requests for server-sent events, to the handlers for them
// where there is one, and everything else to the pages.
func (t *Table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wantsStream(r) {
		// ServeMux answers a path such as //a by a redirect, which WebSocket clients
		// do not follow.
		clean := r.Clone(r.Context())
		clean.URL.Path = path.Clean("/" + r.URL.Path)
		if h, pattern := t.upgrades.Handler(clean); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
	}
	if _, pattern := t.pages.Handler(r); pattern == "" {
		if _, socket := t.upgrades.Handler(r); socket != "" {
			w.Header().Set("Upgrade", "websocket")
			http.Error(w, "this path speaks WebSocket: connect with ws:// or wss://", http.StatusUpgradeRequired)
			return
		}
	}
	t.pages.ServeHTTP(w, r)
}

// wantsEvents says whether r asks for server-sent events, and rather for them than for
// anything else, as EventSource does (the HTML standard, section 9.2.2).
func wantsEvents(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	return r.Method == http.MethodGet && strings.EqualFold(strings.TrimSpace(first), "text/event-stream")
}

// isUpgrade says whether r asks for a WebSocket (RFC 6455, section 4.1).
func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// wantsStream says whether r asks for a WebSocket, or for server-sent events. A handshake whose
// header Upgrade a proxy has dropped still has its key.
func wantsStream(r *http.Request) bool {
	return isUpgrade(r) || wantsEvents(r) || r.Header.Get("Sec-WebSocket-Key") != "" || isPreflight(r)
}

// isPreflight says whether r is a browser's question whether a page of another origin may get r
// with headers of its own, as server-sent events with a token (the Fetch standard, section 4.9).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") == http.MethodGet
}
