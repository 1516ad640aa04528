package admin

import (
	"net/http"
	"strings"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// guard lets requests through that show the secret. A peer's address and the Host that
// it asks for prove nothing: behind a proxy both may be loopback for every client.
// Only a listener of its own on a loopback address needs none where none is configured.
func (a *Admin) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret := a.secret()
		switch {
		case a.Local && secret.IsZero(), a.shown(r, secret):
			next.ServeHTTP(w, r)
		default:
			a.locked(w, r)
		}
	})
}

// locked answers a request that does not show the secret.
func (a *Admin) locked(w http.ResponseWriter, r *http.Request) {
	a.refusals.secret.Inc()
	if bearer(r) != "" { // a page without the secret is normal, a wrong one is not
		a.refusals.warn.Do(func() {
			a.Log.Warn("a request has shown a wrong secret; for a minute others are only counted", "path", r.URL.Path, "peer", r.RemoteAddr)
		})
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "the secret is required: open the page with #token=SECRET, or send the header Authorization: Bearer SECRET; SECRET is http.admin.token, or is in the file that the log names", http.StatusUnauthorized)
}

// shown reports whether r shows the secret: itself, a link made of it, or a cookie made of
// it. The cookie counts only where the browser does not say that another site has asked.
func (a *Admin) shown(r *http.Request, s secret) bool {
	if s.IsZero() {
		return false
	}
	if given := bearer(r); given != "" {
		return s.is(given) || s.signed(forLink, given)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	for _, cookie := range r.CookiesNamed(s.cookieName()) {
		if s.signed(forCookie, cookie.Value) {
			return true
		}
	}
	return false
}

// bearer returns what the header Authorization shows, "" where it shows nothing.
func bearer(r *http.Request) string {
	kind, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(given)
}

// localMounter mounts handlers that answer only those who ask for this machine by a
// loopback name, or show the secret. A web page can make a browser on this machine send
// requests here under a name of its own (DNS rebinding), and then read the answers.
type localMounter struct {
	plugin.Mounter
	admin *Admin
}

// Handle is part of [plugin.Mounter].
func (m localMounter) Handle(pattern string, h http.Handler) error {
	return m.Mounter.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !options.IsLoopback(r.Host) && !m.admin.shown(r, m.admin.secret()) {
			m.admin.refusals.host.Inc()
			http.Error(w, "this listener answers only requests for localhost: ask for it by that name, or set http.admin.token", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	}))
}
