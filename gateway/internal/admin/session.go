package admin

import (
	"net/http"
	"strings"
	"time"
)

// session gives the page a cookie for the secret that it shows once. It is sent back to /api only,
// and, without a Path, to where the browser sees that behind a proxy. The cookie lasts
// 30 days, also over a restart. Scripts cannot read it, and other sites' pages cannot
// have it sent.
func (a *Admin) session(w http.ResponseWriter, r *http.Request) {
	s := a.secret()
	if !s.IsZero() {
		if given := bearer(r); !s.is(given) && !s.signed(forLink, given) { // a cookie does not prolong itself
			a.locked(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: s.cookieName(), Value: s.sign(forCookie, time.Now().Add(cookieLife)), MaxAge: int(cookieLife.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteStrictMode,
			Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
		})
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// Link returns what is appended to the page's address to open /api there: a fragment, which
// browsers do not send. It is good for an hour, or, where it lasts, as long as the secret.
// It is "" where no secret was made: one that is configured is never shown.
func (a *Admin) Link(lasting bool) string {
	s := a.secret()
	switch {
	case s.IsZero() || !a.configured().IsZero():
		return ""
	case lasting:
		return "#token=" + s.Reveal()
	}
	return "#token=" + s.sign(forLink, time.Now().Add(linkLife))
}
