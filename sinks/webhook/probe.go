package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

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
		return []plugin.Finding{{Text: fmt.Sprintf("%s is behind a proxy: not looked at", s.opts.URL.Origin())}}
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
		return []plugin.Finding{{Level: plugin.Wrong, Text: fmt.Sprintf("cannot connect to %s: %v", s.opts.URL.Origin(), err), Fix: "see that the receiver runs, that its name is right, and that its certificate is valid"}}
	}
	return []plugin.Finding{{Text: fmt.Sprintf("connected to %s; no request was sent", s.opts.URL.Origin())}}
}
