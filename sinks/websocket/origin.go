package websocket

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"eventgateway/gateway/options"
)

// normalizeOrigins returns the set of the origins, in lower case and without a slash at the end.
func normalizeOrigins(origins []string) map[string]bool {
	set := map[string]bool{}
	for _, o := range origins {
		set[strings.ToLower(strings.TrimRight(o, "/"))] = true
	}
	return set
}

// originProblem returns the reason why no page can have an origin, "" if one can.
func originProblem(text string) string {
	if text == "*" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" || u.User != nil || u.ForceQuery {
		return "is not an origin: write a scheme and a host, such as https://shop.example or http://localhost:5500"
	}
	host := u.Hostname()
	addr, notAddress := netip.ParseAddr(host)
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	switch port := u.Port(); {
	case u.Scheme == "ws" || u.Scheme == "wss":
		return "never matches: the origin of a page begins with http:// or https://"
	case u.Scheme == "file" || u.Scheme == "data" || u.Scheme == "blob" || u.Scheme == "about":
		return "never matches: the origin of such a page is null, which any site can have"
	case strings.Contains(host, "*"):
		return "never matches: list each host, or write * for all pages"
	case u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" || strings.HasSuffix(u.Host, ":"):
		return "never matches: browsers leave out the default port of the scheme; leave it out too"
	case port != "" && (len(port) > 5 || port[0] == '0'):
		return "has no valid port: write 1 to 65535"
	case strings.ContainsFunc(host, func(r rune) bool { return r > '~' || r <= ' ' || r == '%' }):
		return "never matches: browsers write such a host in ASCII, as in https://xn--bcher-kva.example"
	case notAddress == nil && addr.String() != strings.ToLower(host):
		return "never matches: browsers write this address as " + addr.String()
	case notAddress != nil && last != "" && strings.Trim(last, "0123456789") == "":
		return "is not an origin: its host is no address; write four numbers from 0 to 255"
	}
	return ""
}

// refuse answers a handshake with a status and a reason. It limits the log lines.
func (s *sink) refuse(w http.ResponseWriter, r *http.Request, status int, reason error) {
	text := reason.Error()
	if reason == errStripped {
		s.strippedHandshakes.Log(s.env.Log, slog.LevelWarn, "handshake refused: proxy dropped Upgrade or Connection", "host", quoteShort(r.Host), "peer", r.RemoteAddr)
	}
	if status == http.StatusForbidden {
		origin := quoteShort(cmp.Or(r.Header.Get("Origin"), "http://"+r.Host))
		text = "pages of the origin " + origin + " may not connect: the option origins of the sink " + s.env.Name + " does not list it"
		if s.isRebound(r) {
			text += ", and the Host " + quoteShort(r.Host) + " is not a name of this machine: list the origin in origins"
		}
		s.refusedOrigins.Log(s.env.Log, slog.LevelWarn, "page refused: origin not listed", "origin", origin, "host", quoteShort(r.Host), "peer", r.RemoteAddr)
	}
	w.Header().Set("Sec-WebSocket-Version", "13")
	http.Error(w, text, status)
}

// errOrigin is the reason for [sink.refuse] of a page without an allowed origin.
var errOrigin = errors.New("this origin is not allowed")

// originAllowed reports whether a page may connect: one with a listed origin, or of the same host.
// Browsers set the header Origin, and pages cannot forge it. Programs send no Origin, and may connect.
// The origin null may not: any site gets it with a sandboxed frame.
//
// The same host is not enough on a connection to a loopback address, unless Host is a name of
// this machine. A page of evil.example may have its name resolved to 127.0.0.1 (DNS rebinding),
// and then Origin and Host are equal.
func (s *sink) originAllowed(r *http.Request) bool {
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
	return s.origins["*"] || s.origins[origin] || strings.EqualFold(u.Host, r.Host) && !s.isRebound(r)
}

// originAllowedSSE is originAllowed for server-sent events. A browser sends no Origin with a GET
// of the same host, so other headers show whether the request is from a browser.
func (s *sink) originAllowedSSE(r *http.Request) bool {
	if r.Header.Get("Origin") != "" || !fromBrowser(r) || !s.isRebound(r) {
		return s.originAllowed(r)
	}
	host := strings.ToLower(r.Host)
	return s.origins["*"] || s.origins["http://"+host] || s.origins["https://"+host]
}

// fromBrowser reports whether a request has headers that browsers always send, and that no page
// can remove.
func fromBrowser(r *http.Request) bool {
	for _, name := range []string{"Accept-Language", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Cookie", "Referer"} {
		if _, there := r.Header[name]; there {
			return true
		}
	}
	return false
}

// isRebound reports whether a request has come to a loopback address, but its Host is another.
func (s *sink) isRebound(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && options.IsLoopback(local.String()) && !options.IsLoopback(r.Host)
}

// cors lets a page with an allowed origin read every answer, also the reason of a failure.
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

// preflight answers the CORS request of a browser before a page of another origin gets server-sent
// events with a token in a header.
func (s *sink) preflight(w http.ResponseWriter, r *http.Request) {
	if !s.originAllowed(r) {
		s.refuse(w, r, http.StatusForbidden, errOrigin)
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET")
	h.Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
