package websocket

import (
	"net/http"
	"net/url"
	"strings"
)

// normalize returns origins in the form in which they are compared.
func normalize(origins []string) map[string]bool {
	set := map[string]bool{}
	for _, o := range origins {
		set[strings.ToLower(strings.TrimRight(o, "/"))] = true
	}
	return set
}

// refuse answers a handshake that failed, and says why.
func (s *sink) refuse(w http.ResponseWriter, r *http.Request, status int, reason error) {
	text := reason.Error()
	if status == http.StatusForbidden {
		text = "pages of " + r.Header.Get("Origin") + " may not connect: the option origins of the sink " + s.env.Name + " does not list them"
		s.env.Log.Warn("a page was refused: the option origins does not list it", "origin", r.Header.Get("Origin"), "peer", r.RemoteAddr)
	}
	w.Header().Set("Sec-WebSocket-Version", "13")
	http.Error(w, text, status)
}

// allowed decides by the Origin header, which browsers set and pages cannot
// forge, whether a page may connect: one of the same host, or of the list.
// Programs send none and may. "null" never may: any site gets that origin from a
// sandboxed frame.
func (s *sink) allowed(r *http.Request) bool {
	origin := strings.ToLower(r.Header.Get("Origin"))
	if origin == "" {
		return true
	}
	if origin == "null" {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return s.origins["*"] || s.origins[origin] || strings.EqualFold(u.Host, r.Host)
}
