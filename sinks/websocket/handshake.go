package websocket

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
)

// errStripped refuses a handshake from which a proxy has removed the headers of the upgrade.
var errStripped = errors.New("this is a WebSocket handshake without its headers Upgrade and Connection: a proxy in between has dropped them; configure it to pass them on, by HTTP/1.1 (the page proxies.md of the documentation shows how)")

// isStripped reports whether a request is a handshake without the headers of the upgrade. No other
// request has a Sec-WebSocket-Key.
func isStripped(r *http.Request) bool {
	return r.Header.Get("Sec-WebSocket-Key") != "" && !websocket.IsWebSocketUpgrade(r)
}

// negotiateCompression accepts permessage-deflate if the client has offered it.
func (c *client) negotiateCompression(h *hijacker, r *http.Request) {
	var answer string
	if answer, c.window = acceptDeflate(r.Header); answer != "" {
		h.Header()[extensionsHeader] = []string{answer}
	}
}

// negotiateSubprotocol returns the subprotocol of the answer, "" if the client has offered none. A browser
// ends a connection if none of the offered ones is selected. So a client that has not offered
// [Protocol] gets the first one that is no token, and this changes nothing else.
func negotiateSubprotocol(r *http.Request) string {
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

// isUpgrade reports whether a request is a WebSocket handshake.
func isUpgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

// speaksProtocol reports whether a client offers [Protocol].
func speaksProtocol(r *http.Request) bool {
	return slices.Contains(websocket.Subprotocols(r), Protocol)
}

// protocolPrefix begins the names of all versions of [Protocol].
const protocolPrefix = "eventgateway."

// errVersion refuses a client that speaks other versions only. A browser shows no reason when
// the answer lacks a subprotocol, so this reason is also logged.
var errVersion = errors.New("this gateway speaks " + Protocol)

// speaksOtherVersion reports whether a client offers versions of the protocol, but not this one.
func speaksOtherVersion(r *http.Request) bool {
	other := func(name string) bool { return strings.HasPrefix(name, protocolPrefix) }
	return !speaksProtocol(r) && slices.ContainsFunc(websocket.Subprotocols(r), other)
}
