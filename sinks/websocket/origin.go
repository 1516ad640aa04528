package websocket

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"eventgateway/gateway/options"
)

// normalizeOrigins returns origins in the form in which they are compared.
func normalizeOrigins(origins []string) map[string]bool {
	set := map[string]bool{}
	for _, o := range origins {
		set[strings.ToLower(strings.TrimRight(o, "/"))] = true
	}
	return set
}

// badOrigin says why no page can have an origin as it is written; "" where one can.
func badOrigin(text string) string {
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
		return "never matches: browsers leave out the port of the scheme; do so, too"
	case port != "" && (len(port) > 5 || port[0] == '0'):
		return "has no port that there is: 1 to 65535"
	case strings.ContainsFunc(host, func(r rune) bool { return r > '~' || r <= ' ' || r == '%' }):
		return "never matches: browsers write such a host in ASCII, as in https://xn--bcher-kva.example"
	case notAddress == nil && addr.String() != strings.ToLower(host):
		return "never matches: browsers write this address as " + addr.String()
	case notAddress != nil && last != "" && strings.Trim(last, "0123456789") == "":
		return "is not an origin: its host is no address"
	}
	return ""
}

// refuse answers a handshake that failed, and says why.
func (s *sink) refuse(w http.ResponseWriter, r *http.Request, status int, reason error) {
	text := reason.Error()
	if reason == errStripped {
		s.strippedHandshakes.write(slog.LevelWarn, "a handshake was refused: a proxy has dropped its headers Upgrade and Connection", "host", quoteShort(r.Host), "peer", r.RemoteAddr)
	}
	if status == http.StatusForbidden {
		origin := quoteShort(cmp.Or(r.Header.Get("Origin"), "http://"+r.Host))
		text = "pages of " + origin + " may not connect: the option origins of the sink " + s.env.Name + " does not list them"
		if s.isRebound(r) {
			text += ", and the Host " + quoteShort(r.Host) + " is not a name of this machine; list the origin in origins"
		}
		s.refusedOrigins.write(slog.LevelWarn, "a page was refused: the option origins does not list it", "origin", origin, "host", quoteShort(r.Host), "peer", r.RemoteAddr)
	}
	w.Header().Set("Sec-WebSocket-Version", "13")
	http.Error(w, text, status)
}

// originAllowed decides by the Origin header, which browsers set and pages cannot
// forge, whether a page may connect: one of the list, or of the same host. Programs send
// none and may. "null" never may: any site gets that origin from a sandboxed frame.
//
// The same host is not enough where the connection was made to this machine only, and Host
// is no name of it: a page of evil.example may have had its name resolved to 127.0.0.1
// (DNS rebinding), and then has the origin that it names as Host.
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

// originAllowedSSE is as allowed, for server-sent events: a browser sends no Origin with a GET
// of the same host, so there what else browsers send tells that it is one.
func (s *sink) originAllowedSSE(r *http.Request) bool {
	if r.Header.Get("Origin") != "" || !fromBrowser(r) || !s.isRebound(r) {
		return s.originAllowed(r)
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

// isRebound says whether a request has come to a loopback address, but names another host.
func (s *sink) isRebound(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && options.IsLoopback(local.String()) && !options.IsLoopback(r.Host)
}
