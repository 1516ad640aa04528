package acmeclient

import (
	"context"
	"strings"

	"github.com/caddyserver/certmagic"
	eab "github.com/mholt/acmez/v3/acme"

	"eventgateway/gateway/acme"
)

// configure returns the configuration of certmagic for checked options.
func (c *client) configure(o acme.Options) *certmagic.Config {
	first := o.Domains[0] // for clients that name no host, or another one
	magic := certmagic.New(c.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: o.Storage}, DefaultServerName: first, FallbackServerName: first,
		OnEvent: c.event, Logger: c.zap,
	})
	roots, _ := o.Roots() // they were checked
	issuer := certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: o.TermsAgreed, Profile: o.Profile, TrustedRoots: roots, Logger: c.zap,
		// certmagic listens only where the gateway does not: on http_port.
		ListenHost: c.env.Address.Addr().String(), AltTLSALPNPort: int(c.env.Address.Port()),
		DisableHTTPChallenge: o.HTTPPort == 0, AltHTTPPort: o.HTTPPort,
	}
	if a := o.ExternalAccount; a.KeyID != "" {
		issuer.ExternalAccount = &eab.EAB{KeyID: a.KeyID, MACKey: strings.TrimRight(a.Key.Reveal(), "=")}
	}
	checked := certmagic.NewACMEIssuer(magic, issuer)
	checked.TestCA = "" // certmagic has set that of Let's Encrypt, to which it sends retries
	magic.Issuers = []certmagic.Issuer{checked}
	return magic
}

// event notes renewals that certmagic has begun itself. certmagic calls it.
func (c *client) event(_ context.Context, event string, data map[string]any) error {
	domain, _ := data["identifier"].(string)
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[domain]
	if n == nil || n.trying { // an attempt of Run returns its result
		return nil
	}
	switch event {
	case "cert_failed":
		err, _ := data["error"].(error)
		c.fail(domain, n, err)
	case "cert_obtained":
		n.err, n.failures = nil, 0
	}
	return nil
}
