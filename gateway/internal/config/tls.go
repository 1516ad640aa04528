package config

import (
	"eventgateway/gateway/acme"
	"eventgateway/gateway/options"
)

// SharedTLS has the certificate of the shared listener: from files, or from an authority by ACME.
type SharedTLS struct {
	options.ServerTLS
	ACME acme.Options `koanf:"acme"`
}

// Enabled reports whether the listener has TLS.
func (t SharedTLS) Enabled() bool { return t.ServerTLS.Enabled() || t.ACME.Enabled() }

// Check is part of [options.Checker].
func (t *SharedTLS) Check(report func(option, text string)) {
	switch _, option, err := t.Rules(); {
	case !t.ACME.Enabled():
		t.ServerTLS.Check(report)
	case t.ServerTLS.Enabled():
		report("acme", "obtains the certificate that is also in cert and key: remove one of the two")
	case err != nil:
		report(option, err.Error())
	}
}

// noACME is the text of the problem that only gateway-full can run a configuration.
const noACME = "this binary has no ACME: use gateway-full, or name the files of a certificate in http.tls.cert and key"
