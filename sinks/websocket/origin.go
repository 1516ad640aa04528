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
