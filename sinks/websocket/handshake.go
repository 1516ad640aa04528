package websocket

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
)

// errStripped says what a handshake lacks that a proxy has passed on as any other request.
var errStripped = errors.New("this is a WebSocket handshake without its headers Upgrade and Connection: a proxy in between has dropped them; have it pass them on, by HTTP/1.1 (the page proxies.md of the documentation shows how)")

// stripped reports whether a request is a handshake that a proxy has made an ordinary request of.
// No other request has a Sec-WebSocket-Key.
func stripped(r *http.Request) bool {
	return r.Header.Get("Sec-WebSocket-Key") != "" && !websocket.IsWebSocketUpgrade(r)
}

// subprotocol returns the one that a client is answered, "" where it has offered none. A browser
// ends a connection for which none of its own is taken: where it has not offered ours, the first
// that is no token means as little as none.
func subprotocol(r *http.Request) string {
	offered := websocket.Subprotocols(r)
	switch i := slices.IndexFunc(offered, func(p string) bool { return !strings.HasPrefix(p, bearer) }); {
	case speaksProtocol(r):
		return Protocol
	case i >= 0:
		return offered[i]
	case len(offered) > 0:
		return offered[0]
	}
	return ""
}

// cors has a page of another origin, which may get events, read every answer: it sees no reason
// for a failure otherwise.
func (s *sink) cors(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" || isUpgrade(r) {
		return
	}
	w.Header().Add("Vary", "Origin")
	if s.originAllowed(r) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
	}
}

// preflight answers a browser that asks whether a page of another origin may get server-sent
// events with a token in a header.
func (s *sink) preflight(w http.ResponseWriter, r *http.Request) {
	if !s.originAllowed(r) {
		s.refuse(w, r, http.StatusForbidden, errors.New("this origin may not"))
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET")
	h.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
