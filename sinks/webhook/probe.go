package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/plugin"
)

// Probe is part of [plugin.Prober]. It connects, and sends no request, which the receiver would take
// for an event.
func (s *sink) Probe(ctx context.Context) []plugin.Finding {
	address := s.base.Host
	if s.base.Port() == "" {
		address = net.JoinHostPort(s.base.Hostname(), map[string]string{"http": "80", "https": "443"}[s.base.Scheme])
	}
	if !s.opts.Proxy.IsZero() {
		return []plugin.Finding{{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell whether %s can be reached: it is behind a proxy, and no request is sent", s.opts.URL.Origin()), Fix: "try it yourself: curl --head --proxy PROXY URL"}}
	}
	conn, err := s.transport.DialContext(ctx, "tcp", address)
	if err == nil && s.base.Scheme == "https" {
		config := s.transport.TLSClientConfig.Clone()
		config.ServerName = s.base.Hostname()
		err = tls.Client(conn, config).HandshakeContext(ctx)
	}
	if conn != nil {
		defer conn.Close()
	}
	if err != nil {
		return []plugin.Finding{{Level: plugin.Problem, Text: fmt.Sprintf("cannot connect to %s: %v", s.opts.URL.Origin(), s.sanitize(&http.Request{}, err)), Fix: fixFor(err)}}
	}
	return []plugin.Finding{{Text: fmt.Sprintf("connected to %s; no request was sent", s.opts.URL.Origin())}}
}

// fixFor returns how to fix a connection that cannot be made.
func fixFor(err error) string {
	var internal *httpclient.InternalError
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &internal):
		return "if it is meant, list the address in the option allow"
	case errors.As(err, &dns):
		return "see that the name in url is right, and that this machine can resolve it"
	case errors.As(err, &authority):
		return "name the certificate of the authority in tls.ca, if it is one of your own"
	case errors.As(err, &certificate):
		return "see that the receiver's certificate is valid, and for this name"
	}
	return "see that the receiver runs, and that its name and port are right"
}
