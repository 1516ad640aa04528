package admin

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/logsample"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// refusedRequests counts the requests that were refused, and limits how many are logged.
type refusedRequests struct {
	total                                 *prometheus.CounterVec
	secret, role, origin, passwords, host prometheus.Counter
	lines                                 logsample.Sampler
}

func newRefusedRequests() *refusedRequests {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_admin_refused_total", Help: "Requests to /api without the secret or the role, from pages of other sites, or to the admin listener for another host.",
	}, []string{"reason"})
	return &refusedRequests{
		total: total, secret: total.WithLabelValues("secret"), role: total.WithLabelValues("role"), origin: total.WithLabelValues("origin"),
		passwords: total.WithLabelValues("passwords"), host: total.WithLabelValues("host"),
		lines: logsample.Sampler{Interval: time.Minute},
	}
}

// guard serves requests whose credentials have the needed role. A peer's address and the Host header prove nothing:
// behind a proxy both may be loopback for every client. A local listener needs no credentials where none are configured.
// A request that changes something is refused from a page of another site, even with credentials.
func (a *Admin) guard(need Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, busy := a.authenticate(r)
		if a.open() {
			who.role = RoleAdmin
		}
		if who.role == NoRole {
			a.unauthorized(w, r, busy)
			return
		}
		plugin.Access(r.Context()).SetUser(who.name, who.role.String())
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case who.role < need:
			a.refused.role.Inc()
			http.Error(w, "this needs the role admin, and these credentials have the role read: log in as another user", http.StatusForbidden)
		case new(http.CrossOriginProtection).Check(r) != nil:
			a.refused.origin.Inc()
			http.Error(w, "a page of another site may not change anything: use the page of this gateway, or a program", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), roleKey{}, who.role)))
		}
	})
}

// roleKey is the key of the caller's role in the context of a guarded request.
type roleKey struct{}

// roleOf returns the role of the caller of a guarded request.
func roleOf(r *http.Request) Role {
	role, _ := r.Context().Value(roleKey{}).(Role)
	return role
}

// unauthorized answers a request without right credentials: 401, or 429 if the password was not checked.
func (a *Admin) unauthorized(w http.ResponseWriter, r *http.Request, busy bool) {
	w.Header().Set("Cache-Control", "no-store")
	if busy {
		a.refused.passwords.Inc()
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many attempts to log in: try again later", http.StatusTooManyRequests)
		return
	}
	a.refused.secret.Inc()
	if r.Header.Get("Authorization") != "" { // a page without a secret is normal, a wrong secret is not
		a.refused.lines.Log(a.Log, slog.LevelWarn, "request with a wrong secret refused", "path", r.URL.Path, "peer", r.RemoteAddr)
	}
	how := "open the page with #token=SECRET, or send the header Authorization: Bearer SECRET; SECRET is http.admin.token, or stands in the file that the log names"
	if len(a.access.Load().Users) > 0 {
		how = "log in at api/session as a user of http.admin.users, or " + how
	}
	w.Header().Set("WWW-Authenticate", a.challenge(r))
	http.Error(w, "the secret is required: "+how, http.StatusUnauthorized)
}

// challenge returns the value of WWW-Authenticate. With Basic in it, a browser would ask for a password also when a script
// of the page gets 401. So requests of scripts get only Bearer.
func (a *Admin) challenge(r *http.Request) string {
	mode := r.Header.Get("Sec-Fetch-Mode")
	if len(a.access.Load().Users) == 0 || mode != "" && mode != "navigate" {
		return "Bearer"
	}
	return `Basic realm="gateway", charset="UTF-8", Bearer`
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
		if !options.IsLoopback(r.Host) && !m.admin.authenticated(r) {
			m.admin.refused.host.Inc()
			http.Error(w, "this listener answers only requests for localhost: use that name, or set http.admin.token", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

// authenticated reports whether a request has credentials of any role.
func (a *Admin) authenticated(r *http.Request) bool {
	who, _ := a.authenticate(r)
	return who.role != NoRole
}
