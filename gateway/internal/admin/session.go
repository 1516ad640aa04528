package admin

import (
	"net/http"
	"strings"
	"time"
)

// session sets a cookie for a page that sends the secret once. The cookie is valid for
// 30 days, also after a restart. It has no Path, so browsers send it to /api only, also behind
// a proxy with another base path. Scripts cannot read it, and browsers do not send it with
// requests of other sites.
func (a *Admin) session(w http.ResponseWriter, r *http.Request) {
	s := a.secret()
	if !s.IsZero() {
		if given := bearer(r); !s.equal(given) && !s.verify(forLink, given) { // a cookie does not prolong itself
			a.unauthorized(w, r)
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

// Link returns the fragment of the page's URL that opens /api there; browsers do not send
// fragments. It is valid for an hour, or, if permanent, as long as the secret. It returns ""
// where no secret was generated: a configured one is never printed.
func (a *Admin) Link(permanent bool) string {
	s := a.secret()
	switch {
	case s.IsZero() || !a.configured().IsZero():
		return ""
	case permanent:
		return "#token=" + s.Reveal()
	}
	return "#token=" + s.sign(forLink, time.Now().Add(linkLife))
}
