package httpserver

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
)

// Table holds the handlers of one graph. It is filled while the graph is built, and
// read-only when it serves.
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

// mount mounts a handler. It returns a panic of ServeMux as an error of the configuration.
func (t *Table) mount(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			reason := fmt.Sprint(p)
			if strings.Contains(reason, "conflicts with pattern") { // the rest is positions in the gateway's code
				reason = "another component has it already"
			}
			err = fmt.Errorf("the path %q cannot be mounted: %s", pattern, reason)
		}
	}()
	mux.Handle(pattern, h)
	t.mounted++
	return nil
}

// Switch serves the table that was set last. A reload replaces the table of the old graph by that
// of the new one. Requests under way keep the old table.
type Switch struct{ table atomic.Pointer[Table] }

// Set replaces the table.
func (s *Switch) Set(t *Table) { s.table.Store(t) }

// Len returns the number of handlers on the table.
func (s *Switch) Len() int { return s.table.Load().Len() }

// ServeHTTP is part of [http.Handler].
func (s *Switch) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.table.Load().ServeHTTP(w, r) }

// Len returns the number of handlers.
func (t *Table) Len() int { return t.mounted }

// ServeHTTP serves upgrades and requests for server-sent events and snapshots by their handler, if the path has
// one, and everything else by the pages.
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

// wantsEvents reports whether r is a request for server-sent events: they come first in its Accept
// header, as EventSource sends it (the HTML standard, section 9.2.2).
func wantsEvents(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	return r.Method == http.MethodGet && strings.EqualFold(strings.TrimSpace(first), "text/event-stream")
}

// isUpgrade reports whether r is a WebSocket handshake (RFC 6455, section 4.1).
func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// wantsSnapshot reports whether r is a request for the rows of a table, which a stream continues.
func wantsSnapshot(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, "snapshot=") && r.URL.Query().Has("snapshot")
}

// wantsStream reports whether r is a request for a WebSocket, for server-sent events, or for a snapshot. A handshake
// without Upgrade, which a proxy has dropped, still has its key.
func wantsStream(r *http.Request) bool {
	return isUpgrade(r) || wantsEvents(r) || wantsSnapshot(r) || r.Header.Get("Sec-WebSocket-Key") != "" || isPreflight(r)
}

// isPreflight reports whether r is a CORS preflight of a GET, which browsers send before a request
// for server-sent events with a token (the Fetch standard, section 4.9).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") == http.MethodGet
}
