package admin

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"eventgateway/gateway/plugin"
)

// session sets a cookie for a page that sends the secret, or a user's password, once. The cookie is valid for
// 30 days, also after a restart. It has no Path, so browsers send it to /api only, also behind
// a proxy with another base path. Scripts cannot read it, and browsers do not send it with
// requests of other sites.
func (a *Admin) session(w http.ResponseWriter, r *http.Request) {
	if a.beginSession(w, r) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	}
}

// login sets the cookie for a browser, which asks its user for the password, and redirects to the page.
func (a *Admin) login(w http.ResponseWriter, r *http.Request) {
	if a.beginSession(w, r) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Location", "../") // relative: a proxy may have stripped a path
		w.WriteHeader(http.StatusSeeOther)
	}
}

// beginSession sets the cookie, or answers with the reason. A cookie does not prolong itself.
func (a *Admin) beginSession(w http.ResponseWriter, r *http.Request) bool {
	if a.open() {
		return true
	}
	name, _, byPassword := r.BasicAuth()
	var who caller
	var busy bool
	if byPassword || bearer(r) != "" { // then neither a cookie nor a certificate counts
		who, busy = a.authenticate(r)
	}
	if who.role == NoRole {
		a.unauthorized(w, r, busy)
		return false
	}
	plugin.Access(r.Context()).SetUser(who.name, who.role.String())
	s, until := a.secret(), time.Now().Add(cookieLife)
	value := s.sign(forCookie, until)
	if byPassword {
		value = s.sign(userPurpose(name, a.access.Load().Users[name]), until) + "/" + base64.RawURLEncoding.EncodeToString([]byte(name))
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(), Value: value, MaxAge: int(cookieLife.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	})
	return true
}

// Link returns the fragment of the page's URL that opens /api there; browsers do not send
// fragments. It is valid for an hour, or, if permanent, as long as the secret. It returns ""
// where no secret was generated: a configured one is never printed.
func (a *Admin) Link(permanent bool) string {
	s := a.secret()
	switch {
	case s.IsZero() || !a.access.Load().Token.IsZero():
		return ""
	case permanent:
		return "#token=" + s.Reveal()
	}
	return "#token=" + s.sign(forLink, time.Now().Add(linkLife))
}
