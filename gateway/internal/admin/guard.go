package admin

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// refusedRequests counts the requests that were refused, and limits how many are logged.
type refusedRequests struct {
	total        *prometheus.CounterVec
	secret, host prometheus.Counter
	warn         rate.Sometimes
}

func newRefusedRequests() *refusedRequests {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_admin_refused_total", Help: "Requests to /api without the secret, and requests to the admin listener for another host.",
	}, []string{"reason"})
	return &refusedRequests{
		total: total, secret: total.WithLabelValues("secret"), host: total.WithLabelValues("host"),
		warn: rate.Sometimes{First: 1, Interval: time.Minute},
	}
}

// guard serves requests that carry the secret, and answers 401 to others. A peer's address
// and the Host header prove nothing: behind a proxy both may be loopback for every client.
// A local listener needs no secret where none is configured.
func (a *Admin) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret := a.secret()
		switch {
		case a.Local && secret.IsZero(), a.authorized(r, secret):
			next.ServeHTTP(w, r)
		default:
			a.unauthorized(w, r)
		}
	})
}

// unauthorized answers 401 to a request without the secret.
func (a *Admin) unauthorized(w http.ResponseWriter, r *http.Request) {
	a.refused.secret.Inc()
	if bearer(r) != "" { // a page without a secret is normal, a wrong secret is not
		a.refused.warn.Do(func() { // at most once a minute
			a.Log.Warn("request with a wrong secret refused", "path", r.URL.Path, "peer", r.RemoteAddr)
		})
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "the secret is required: open the page with #token=SECRET, or send the header Authorization: Bearer SECRET; SECRET is http.admin.token, or stands in the file that the log names", http.StatusUnauthorized)
}

// authorized reports whether r carries the secret, or a link or cookie signed with it.
// A cookie is ignored in a request that the browser marks as cross-site.
func (a *Admin) authorized(r *http.Request, s secret) bool {
	if s.IsZero() {
		return false
	}
	if given := bearer(r); given != "" {
		return s.equal(given) || s.verify(forLink, given)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	for _, cookie := range r.CookiesNamed(s.cookieName()) {
		if s.verify(forCookie, cookie.Value) {
			return true
		}
	}
	return false
}

// bearer returns the bearer token of the Authorization header, "" where there is none.
func bearer(r *http.Request) string {
	kind, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(given)
}

// localMounter mounts handlers that answer only requests for a loopback name, and
// authorized ones. It defends against DNS rebinding: a web page can make a browser on
// this machine send requests here under a name of its own, and read the answers.
type localMounter struct {
	plugin.Mounter
	admin *Admin
}

// Handle is part of [plugin.Mounter].
func (m localMounter) Handle(pattern string, h http.Handler) error {
	return m.Mounter.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !options.IsLoopback(r.Host) && !m.admin.authorized(r, m.admin.secret()) {
			m.admin.refused.host.Inc()
			http.Error(w, "this listener answers only requests for localhost: use that name, or set http.admin.token", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	}))
}
