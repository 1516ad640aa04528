package acme

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"eventgateway/gateway/options"
)

// Options are the options of http.tls.acme.
type Options struct {
	Domains         []string        `koanf:"domains" doc:"names for which certificates are obtained, one for each; empty: no ACME"`
	Email           string          `koanf:"email" doc:"address at which the authority reaches you"`
	TermsAgreed     bool            `koanf:"terms_agreed" doc:"states that you agree to the terms of the authority, which its directory names"`
	Directory       string          `koanf:"directory" doc:"URL of the authority"`
	CA              options.File    `koanf:"ca" doc:"file with the certificates (PEM) of the authorities that the directory's may be from; empty: the system's"`
	Storage         string          `koanf:"storage" doc:"folder of accounts, keys and certificates, private to the user of the gateway"`
	Profile         string          `koanf:"profile" doc:"kind of certificate, if the authority offers several, such as shortlived"`
	HTTPPort        int             `koanf:"http_port" rule:"min=0,max=65535" doc:"port that answers challenges of the kind http-01, only while there is one; 0: none"`
	ExternalAccount ExternalAccount `koanf:"external_account"`
}

// ExternalAccount names an account that the authority already has, to which the gateway binds its account of ACME.
type ExternalAccount struct {
	KeyID string         `koanf:"key_id" doc:"identifier that the authority has given out"`
	Key   options.Secret `koanf:"key" doc:"key of this identifier (HMAC), in base64url"`
}

// Defaults returns the default options, which have no names.
func Defaults() Options {
	return Options{Directory: "https://acme-v02.api.letsencrypt.org/directory"}
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"domains":   "It needs the program gateway-full. The authority connects to port 443 of each name, where this listener must answer (the challenge tls-alpn-01)",
		"storage":   "Empty: acme in the folder where the gateway stores the secret of /api. Several gateways may share it: one obtains a certificate, and all use it",
		"http_port": "The authority connects to port 80 of each name. So another value needs a firewall that forwards port 80 to it",
	}
}

// Enabled reports whether the options have a name, so that ACME is on.
func (o Options) Enabled() bool { return len(o.Domains) > 0 }

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if !o.Enabled() {
		if o.Email != "" || o.TermsAgreed || o.Storage != "" {
			report("domains", "is missing: list the names of this gateway")
		}
		return
	}
	for _, d := range o.Domains {
		if text := badDomain(d); text != "" {
			report("domains", text)
		}
	}
	if a, err := mail.ParseAddress(o.Email); err != nil || a.Address != o.Email {
		report("email", "is not an address of e-mail: write one, such as ops@shop.example")
	}
	if !o.TermsAgreed {
		report("terms_agreed", "is false: read the terms of the authority, and set it to true if you agree")
	}
	if u, err := url.Parse(o.Directory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		report("directory", "is not the URL of an authority: write one that begins with https://")
	}
	if o.Storage != "" && !filepath.IsAbs(o.Storage) {
		report("storage", "is not the path of a folder: write one that begins with /")
	}
	if _, err := o.Roots(); err != nil {
		report("ca", err.Error())
	}
	o.ExternalAccount.check(report)
}

func (a ExternalAccount) check(report func(option, text string)) {
	switch _, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(a.Key.Reveal(), "=")); {
	case (a.KeyID == "") != a.Key.IsZero():
		report("external_account", "needs key_id and key: set both as the authority has given them out, or none")
	case err != nil:
		report("external_account.key", "is not in base64url: copy it as the authority has given it out")
	}
}

// Roots returns the certificates in the file ca, by which the server of the authority is verified; nil: the system's.
func (o Options) Roots() (*x509.CertPool, error) {
	if o.CA.Path() == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(o.CA.Text()) {
		return nil, errors.New("holds no certificate in PEM: name the file of the authority")
	}
	return pool, nil
}

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// badDomain returns what is wrong with a name; "": nothing.
func badDomain(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	if strings.HasPrefix(name, "*.") {
		return "has a wildcard, which needs the challenge dns-01: list each name instead"
	}
	if len(name) > 253 {
		return "has a name of over 253 characters"
	}
	for part := range strings.SplitSeq(name, ".") {
		if !label.MatchString(part) {
			return "has " + name + ", which is no name of a host: write it in lower case, without port and path; an international one as xn--"
		}
	}
	return ""
}
