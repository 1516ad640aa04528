package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard lets a request through that has the token; or, where none is set, one
// that comes from this machine and asks for it by a loopback name. The Host is
// looked at because a web page can make a browser on this machine send requests
// here under a name of its own (DNS rebinding).
func (a *Admin) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := a.token.Load()
		switch {
		case token != nil && !token.IsZero():
			given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok || !sameText(given, token.Reveal()) {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "the token of http.admin.token is required: Authorization: Bearer TOKEN", http.StatusUnauthorized)
				return
			}
		case !a.Private && !(isLoopback(r.RemoteAddr) && isLoopback(r.Host) && !isForwarded(r)):
			http.Error(w, "answers only this machine, asked for as localhost; set http.admin.token or http.admin.listen to open it", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isForwarded says whether a proxy on this machine has brought the request.
func isForwarded(r *http.Request) bool {
	return r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Via") != ""
}

// sameText compares in a time that tells nothing, not even the length.
func sameText(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// isLoopback says whether host, with or without a port, is this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}
