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

// Probe is part of [plugin.Prober]. It connects and sends no request: that would
// be an event to the receiver.
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
		return []plugin.Finding{{Level: plugin.Problem, Text: fmt.Sprintf("cannot connect to %s: %v", s.opts.URL.Origin(), s.bounded(&http.Request{}, err)), Fix: cure(err)}}
	}
	return []plugin.Finding{{Text: fmt.Sprintf("connected to %s; no request was sent", s.opts.URL.Origin())}}
}

// cure says what mends a connection that is not made.
func cure(err error) string {
	var inside *httpclient.InternalError
	var unknown *net.DNSError
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &inside):
		return "if it is meant, list the address in the option allow"
	case errors.As(err, &unknown):
		return "see that the name in url is right, and that this machine can resolve it"
	case errors.As(err, &authority):
		return "name the certificate of the authority in tls.ca, if it is one of your own"
	case errors.As(err, &certificate):
		return "see that the receiver's certificate is valid, and for this name"
	}
	return "see that the receiver runs, and that its name and port are right"
}
