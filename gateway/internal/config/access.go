package config

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"eventgateway/gateway/options"
)

// Admin has the options of the admin pages.
type Admin struct {
	Listen       string            `koanf:"listen" doc:"address of a separate listener for /metrics, /healthz, /readyz and /api"`
	TLS          options.ServerTLS `koanf:"tls"`
	Token        options.Secret    `koanf:"token" doc:"secret of /api, on each listener; empty: one is generated at the start, and a link with it is printed"`
	Users        options.Map[User] `koanf:"users" doc:"users who log in to /api with a password, as name: {password: HASH, role: read or admin}"`
	Certificates options.Map[Role] `koanf:"certificates" doc:"roles of client certificates at /api, as name: read or admin"`
	Pprof        bool              `koanf:"pprof" doc:"serve profiles of the Go runtime at /debug/pprof/ of the separate listener, for the role admin"`
}

// Docs is part of [options.Documented].
func (Admin) Docs() map[string]string {
	return map[string]string{
		"listen":       "Empty: they are on the shared one. On a loopback address it answers only requests for localhost, and /api needs no secret unless token, users or certificates is set",
		"users":        "HASH is a bcrypt hash, as htpasswd -nB NAME prints it",
		"certificates": "The name is the common name, a DNS name or a URI of the certificate. This option needs client_ca",
	}
}

// User has the options of a user, who logs in with a password.
type User struct {
	Password options.Secret `koanf:"password" rule:"required" doc:"hash of the password"`
	Role     Role           `koanf:"role" rule:"required,oneof=read|admin" doc:"read or admin"`
}

// OptionType names the type in tables.
func (User) OptionType() string { return "user" }

// Role is read or admin.
type Role string

// UnmarshalText accepts the two roles.
func (r *Role) UnmarshalText(b []byte) error {
	if text := string(b); text != "read" && text != "admin" {
		return fmt.Errorf("%q is not a role: write read or admin", text)
	}
	*r = Role(b)
	return nil
}

// Values is part of [options.Enumerated].
func (Role) Values() []string { return []string{"read", "admin"} }

const (
	minToken = 16 // length of a token in bytes
	maxCost  = 14 // of bcrypt: each attempt takes about a second of one core
)

// checkAccess reports what is wrong with the access to the admin pages.
func (h *HTTP) checkAccess(report func(option, text string)) {
	a := h.Admin
	if n := len(a.Token.Reveal()); n > 0 && n < minToken {
		report("admin.token", "is shorter than 16 characters, and could be guessed")
	}
	hasAdmin := !a.Token.IsZero()
	for _, u := range a.Users {
		hasAdmin = hasAdmin || u.Value.Role == "admin"
		option := "admin.users." + u.Key
		if u.Key == "" || strings.ContainsAny(u.Key, ":\x00\r\n") {
			report(option, "is no name of a user: write one without a colon")
		}
		switch cost, err := bcrypt.Cost([]byte(u.Value.Password.Reveal())); {
		case err != nil:
			report(option+".password", "is not a hash by bcrypt: write what htpasswd -nB NAME prints behind the colon")
		case cost > maxCost:
			report(option+".password", fmt.Sprintf("costs %d, and a check would take seconds: make a hash of cost 12", cost))
		}
	}
	ca, where := h.TLS.ClientCA, "tls.client_ca"
	if a.Listen != "" {
		ca, where = a.TLS.ClientCA, "admin.tls.client_ca"
	}
	for _, c := range a.Certificates {
		if c.Key == "" {
			report("admin.certificates", "has an empty name, which each certificate without a common name would have: write a name")
		}
		hasAdmin = hasAdmin || c.Value == "admin"
	}
	if len(a.Certificates) > 0 && ca.Path() == "" {
		report("admin.certificates", "needs http."+where+": else no client is asked for a certificate")
	}
	switch {
	case !a.Pprof:
	case a.Listen == "":
		report("admin.pprof", "needs http.admin.listen: profiles are not served on the shared listener")
	case !hasAdmin && options.IsLoopback(a.Listen):
		report("admin.pprof", "needs credentials of the role admin: set http.admin.token, or a user or certificate with this role")
	}
}
