package admin

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
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

// String returns the name of a role in the configuration, "" for none.
func (r Role) String() string { return [...]string{"", "read", "admin"}[r] }

// caller is the user, certificate or holder of the secret that the credentials of a request name.
type caller struct {
	role Role
	name string // of the user or certificate; "" for the holder of the secret
}

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

// authenticate returns the caller that the credentials of r name. busy is set if the password was not checked, because there
// were too many attempts.
//
// A browser sends cookies, passwords that it knows, and certificates with requests of other sites, too. These
// credentials are ignored if the browser marks the request as one of another site.
func (a *Admin) authenticate(r *http.Request) (who caller, busy bool) {
	s := a.secret()
	if given := bearer(r); given != "" {
		if !s.IsZero() && (s.equal(given) || s.verify(forLink, given) || s.verify(forCommand, given)) {
			return caller{role: RoleAdmin}, false
		}
		return caller{}, false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return caller{}, false
	}
	access := a.access.Load()
	if name, password, ok := r.BasicAuth(); ok {
		right, busy := a.passwords.check(r.Context(), access.Users, peerAddress(r), name, password)
		if right {
			return caller{access.Users[name].Role, name}, false
		}
		return caller{}, busy
	}
	who = certificateCaller(access, r)
	if !s.IsZero() {
		for _, cookie := range r.CookiesNamed(s.cookieName()) {
			if of := s.cookieCaller(access, cookie.Value); of.role > who.role {
				who = of
			}
		}
	}
	return who, false
}

// peerAddress returns the address of the peer of a request, without its port; of an IPv6 address that of its network, so that a host
// with many addresses counts as one client.
func peerAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return options.ClientNetwork(addr).String()
	}
	return host
}

// certificateCaller returns the name in the client's certificate that has the highest role. The handshake has verified the
// certificate.
func certificateCaller(access *Access, r *http.Request) (who caller) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return who
	}
	leaf := r.TLS.VerifiedChains[0][0]
	names := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	for _, name := range names {
		if role := access.Certificates[name]; role > who.role && name != "" { // a certificate may lack a common name
			who = caller{role, name}
		}
	}
	return who
}

// userPurpose returns the purpose of a signature for a user. It ends with the hash, so that a new hash makes the user's
// cookies invalid.
func userPurpose(name string, u User) string {
	return forCookie + " of user " + base64.RawURLEncoding.EncodeToString([]byte(name)) + " " + u.Hash.Reveal()
}

// cookieCaller returns the caller that a cookie names: the holder of the secret, or a user with the present role.
func (s secret) cookieCaller(access *Access, value string) (who caller) {
	signed, encoded, ofUser := strings.Cut(value, "/")
	if !ofUser {
		if s.verify(forCookie, value) {
			who.role = RoleAdmin
		}
		return who
	}
	name, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return who
	}
	u, ok := access.Users[string(name)]
	if !ok || !s.verify(userPurpose(string(name), u), signed) {
		return who
	}
	return caller{u.Role, string(name)}
}

// bearer returns the bearer token of the Authorization header, "" where there is none.
func bearer(r *http.Request) string {
	kind, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(given)
}
