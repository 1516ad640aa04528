package websocket

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"eventgateway/gateway/options"
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
		origin := shown(cmp.Or(r.Header.Get("Origin"), "http://"+r.Host))
		text = "pages of " + origin + " may not connect: the option origins of the sink " + s.env.Name + " does not list them"
		if s.rebound(r) {
			text += ", and the Host " + shown(r.Host) + " is not a name of this machine; list the origin in origins"
		}
		s.refusedOrigins.write(slog.LevelWarn, "a page was refused: the option origins does not list it", "origin", origin, "host", shown(r.Host), "peer", r.RemoteAddr)
	}
	w.Header().Set("Sec-WebSocket-Version", "13")
	http.Error(w, text, status)
}

// allowed decides by the Origin header, which browsers set and pages cannot
// forge, whether a page may connect: one of the list, or of the same host. Programs send
// none and may. "null" never may: any site gets that origin from a sandboxed frame.
//
// The same host is not enough where the connection was made to this machine only, and Host
// is no name of it: a page of evil.example may have had its name resolved to 127.0.0.1
// (DNS rebinding), and then has the origin that it names as Host.
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
	return s.origins["*"] || s.origins[origin] || strings.EqualFold(u.Host, r.Host) && !s.rebound(r)
}

// allowedEvents is as allowed, for server-sent events: a browser sends no Origin with a GET
// of the same host, so there what else browsers send tells that it is one.
func (s *sink) allowedEvents(r *http.Request) bool {
	if r.Header.Get("Origin") != "" || !fromBrowser(r) || !s.rebound(r) {
		return s.allowed(r)
	}
	host := strings.ToLower(r.Host)
	return s.origins["*"] || s.origins["http://"+host] || s.origins["https://"+host]
}

// fromBrowser says whether a request has headers that browsers send of themselves, and that
// no page can leave out.
func fromBrowser(r *http.Request) bool {
	for _, name := range []string{"Accept-Language", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Cookie", "Referer"} {
		if _, there := r.Header[name]; there {
			return true
		}
	}
	return false
}

// rebound says whether a request has come to a loopback address, but names another host.
func (s *sink) rebound(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && options.IsLoopback(local.String()) && !options.IsLoopback(r.Host)
}
