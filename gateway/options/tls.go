package options

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// TLS has the certificates of an encrypted connection.
type TLS struct {
	CA   File `koanf:"ca" doc:"file with the certificates (PEM) of the authorities that the server's may be from; empty: the system's"`
	Cert File `koanf:"cert" doc:"file with the client's certificate (PEM)"`
	Key  File `koanf:"key" doc:"file with its private key (PEM)"`
}

// IsZero reports whether no file is named.
func (t TLS) IsZero() bool { return t.CA.Path()+t.Cert.Path()+t.Key.Path() == "" }

// Config returns the configuration with the certificates of the files. If a file is invalid, it returns the name of
// its option and an error; the name is "" if cert and key are not both set.
func (t TLS) Config() (c *tls.Config, option string, err error) {
	c = &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA.Path() != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA.Text()) {
			return nil, "ca", errors.New("holds no certificate in PEM")
		}
	}
	if (t.Cert.Path() == "") != (t.Key.Path() == "") {
		return nil, "", errors.New("cert and key come together")
	}
	if t.Cert.Path() != "" {
		pair, err := tls.X509KeyPair(t.Cert.Text(), t.Key.Text())
		if err != nil {
			return nil, "cert", err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, "", nil
}
