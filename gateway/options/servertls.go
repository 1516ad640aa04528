package options

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ServerTLS has the certificate of a listener, and the rules for certificates of its clients.
type ServerTLS struct {
	Cert       File       `koanf:"cert" doc:"file with the certificate of the listener, and those of its intermediate authorities (PEM); empty: no TLS"`
	Key        File       `koanf:"key" doc:"file with its private key (PEM)"`
	ClientCA   File       `koanf:"client_ca" doc:"file with the certificates (PEM) of the authorities that may issue client certificates; empty: no client certificate is requested"`
	ClientAuth string     `koanf:"client_auth" rule:"oneof=optional|required" doc:"whether each connection needs a certificate of client_ca"`
	MinVersion TLSVersion `koanf:"min_version" rule:"oneof=1.2|1.3" doc:"lowest version of TLS"`
}

// DefaultServerTLS returns the defaults, without a certificate.
func DefaultServerTLS() ServerTLS { return ServerTLS{ClientAuth: "optional", MinVersion: "1.2"} }

// Docs is part of [Documented].
func (ServerTLS) Docs() map[string]string {
	return map[string]string{
		"cert":        "When the content of a file of tls changes, new connections use it, and open connections stay as they are",
		"client_auth": "required: for every path, health and metrics included. In both cases http.admin.certificates gives a certificate its role",
	}
}

// TLSVersion is a version of TLS, such as 1.2.
type TLSVersion string

// UnmarshalText accepts any text; the rule of the option bounds it. YAML reads 1.3 as a number.
func (v *TLSVersion) UnmarshalText(b []byte) error {
	*v = TLSVersion(b)
	return nil
}

// Enabled reports whether a certificate or key is named.
func (t ServerTLS) Enabled() bool { return t.Cert.Path()+t.Key.Path() != "" }

// Check is part of [Checker].
func (t *ServerTLS) Check(report func(option, text string)) {
	if !t.Enabled() {
		if t.ClientCA.Path() != "" {
			report("client_ca", "needs cert and key: a client shows its certificate in a TLS handshake only")
		}
		return
	}
	if _, option, err := t.Config(); err != nil {
		report(option, err.Error())
	}
}

// Config returns the configuration with the certificates of the files, for HTTP/2 and HTTP/1.1. If a file is invalid,
// it returns the name of its option and an error that says what to do.
func (t ServerTLS) Config() (c *tls.Config, option string, err error) {
	switch {
	case t.Cert.Path() == "":
		return nil, "key", errors.New("needs cert: name the file with the certificate of this key")
	case t.Key.Path() == "":
		return nil, "cert", errors.New("needs key: name the file with the private key of this certificate")
	}
	pair, err := tls.X509KeyPair(t.Cert.Text(), t.Key.Text())
	if err != nil {
		option, err = t.pairProblem(err)
		return nil, option, err
	}
	if c, option, err = t.Rules(); err == nil {
		c.Certificates = []tls.Certificate{pair}
	}
	return c, option, err
}

// Rules returns the configuration without the certificate of the listener. If the file client_ca is invalid, it returns
// the name of its option and an error that says what to do.
func (t ServerTLS) Rules() (c *tls.Config, option string, err error) {
	c = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if t.MinVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	switch {
	case t.ClientCA.Path() != "":
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !c.ClientCAs.AppendCertsFromPEM(t.ClientCA.Text()) {
			return nil, "client_ca", errors.New("holds no certificate in PEM: name the file of the authority")
		}
		if t.ClientAuth == "required" {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
	case t.ClientAuth == "required":
		return nil, "client_auth", errors.New("needs client_ca: name the file of the authority that client certificates are from")
	}
	return c, "", nil
}

// pairProblem returns the option that an error of tls.X509KeyPair is about, and an error with a hint.
func (t ServerTLS) pairProblem(err error) (option string, _ error) {
	reason := strings.TrimPrefix(err.Error(), "tls: ")
	switch {
	case strings.Contains(reason, "does not match"):
		return "key", errors.New("is not the key of the certificate in cert: name the two files that were issued together")
	case strings.Contains(string(t.Key.Text()), "ENCRYPTED"):
		return "key", errors.New("is encrypted with a passphrase: store the key without one, readable for this user only")
	case strings.Contains(reason, "key"):
		return "key", fmt.Errorf("holds no private key that can be read (%s): name a file in PEM", reason)
	}
	return "cert", fmt.Errorf("holds no certificate that can be read (%s): name a file in PEM", reason)
}

// Leaf returns the certificate of the listener; nil if there is none.
func (t ServerTLS) Leaf() *x509.Certificate {
	c, _, err := t.Config()
	if err != nil {
		return nil
	}
	return c.Certificates[0].Leaf
}

// Warning returns a warning if the certificate has expired at the time now, or is not valid yet; else "".
func (t ServerTLS) Warning(now time.Time) string {
	leaf := t.Leaf()
	switch {
	case leaf == nil:
	case now.After(leaf.NotAfter):
		return "the certificate expired at " + leaf.NotAfter.UTC().Format(time.RFC3339) + ", and clients refuse it: renew it"
	case now.Before(leaf.NotBefore):
		return "the certificate is valid from " + leaf.NotBefore.UTC().Format(time.RFC3339) + " on, and clients refuse it until then: check the clock of this machine"
	}
	return ""
}

// Reread returns the options with the files as they are now. An error says which option's file cannot be read.
func (t ServerTLS) Reread() (ServerTLS, error) {
	for _, f := range []struct {
		option string
		file   *File
	}{{"cert", &t.Cert}, {"key", &t.Key}, {"client_ca", &t.ClientCA}} {
		if f.file.Path() == "" {
			continue
		}
		if err := f.file.UnmarshalText([]byte(f.file.Path())); err != nil {
			return t, fmt.Errorf("%s: the file %s %w", f.option, f.file.Path(), err)
		}
	}
	return t, nil
}

// Paths returns the paths of the files.
func (t ServerTLS) Paths() (paths []string) {
	for _, f := range []File{t.Cert, t.Key, t.ClientCA} {
		if f.Path() != "" {
			paths = append(paths, f.Path())
		}
	}
	return paths
}
