package admin

import (
	"encoding/base64"
	"net/http"
	"strings"

	"eventgateway/gateway/options"
)

// Role is the right that a client of the admin pages has.
type Role int

// The roles. Each includes those before it.
const (
	NoRole    Role = iota
	RoleRead       // sees the state, and the payloads of dead letters
	RoleAdmin      // may also change something, and read profiles
)

// Access lists who has which role. The holder of the generated secret, if no token is configured, has RoleAdmin.
type Access struct {
	Token        options.Secret  // of RoleAdmin
	Users        map[string]User // by name
	Certificates map[string]Role // by a name in the client's certificate
	Profiles     bool            // RoleAdmin may read profiles, on a separate listener
}

// User logs in with a password.
type User struct {
	Hash options.Secret // of the password, by bcrypt
	Role Role
}

// SetAccess replaces the configured access.
func (a *Admin) SetAccess(access Access) { a.access.Store(&access) }

// open reports whether every request has RoleAdmin: on a local listener, if no access is configured.
func (a *Admin) open() bool {
	access := a.access.Load()
	return a.Local && a.secret().IsZero() && len(access.Users)+len(access.Certificates) == 0
}

// authenticate returns the role of the credentials of r. busy is set if the password was not checked, because there
// were too many attempts.
//
// A browser sends cookies, passwords that it knows, and certificates with requests of other sites, too. These
// credentials are ignored if the browser marks the request as one of another site.
func (a *Admin) authenticate(r *http.Request) (role Role, busy bool) {
	s := a.secret()
	if given := bearer(r); given != "" {
		if !s.IsZero() && (s.equal(given) || s.verify(forLink, given)) {
			return RoleAdmin, false
		}
		return NoRole, false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return NoRole, false
	}
	access := a.access.Load()
	if name, password, ok := r.BasicAuth(); ok {
		right, busy := a.passwords.check(access.Users, name, password)
		if right {
			return access.Users[name].Role, false
		}
		return NoRole, busy
	}
	role = a.certificateRole(access, r)
	if !s.IsZero() {
		for _, cookie := range r.CookiesNamed(s.cookieName()) {
			role = max(role, s.cookieRole(access, cookie.Value))
		}
	}
	return role, false
}

// certificateRole returns the role of the client's certificate. The handshake has verified it.
func (a *Admin) certificateRole(access *Access, r *http.Request) (role Role) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return NoRole
	}
	leaf := r.TLS.VerifiedChains[0][0]
	names := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	for _, name := range names {
		role = max(role, access.Certificates[name])
	}
	return role
}

// userPurpose returns the purpose of a signature for a user. It ends with the hash, so that a new hash makes the user's
// cookies invalid.
func userPurpose(name string, u User) string {
	return forCookie + " of user " + base64.RawURLEncoding.EncodeToString([]byte(name)) + " " + u.Hash.Reveal()
}

// cookieRole returns the role of a cookie: RoleAdmin for the holder of the secret, or the present role of a user.
func (s secret) cookieRole(access *Access, value string) Role {
	signed, encoded, ofUser := strings.Cut(value, "/")
	if !ofUser {
		if s.verify(forCookie, value) {
			return RoleAdmin
		}
		return NoRole
	}
	name, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return NoRole
	}
	u, ok := access.Users[string(name)]
	if !ok || !s.verify(userPurpose(string(name), u), signed) {
		return NoRole
	}
	return u.Role
}

// bearer returns the bearer token of the Authorization header, "" where there is none.
func bearer(r *http.Request) string {
	kind, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(given)
}
