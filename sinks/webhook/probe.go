package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"

	"eventgateway/gateway/plugin"
)

// Probe is part of [plugin.Prober]. It connects and sends no request: that would
// be an event to the receiver.
func (s *sink) Probe(ctx context.Context) []plugin.Finding {
	u, err := url.Parse(s.opts.URL.Reveal())
	if err != nil {
		return []plugin.Finding{{Level: plugin.Wrong, Text: "the URL cannot be read"}}
	}
	port := u.Port()
	var conn net.Conn
	if u.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		if conn, err = s.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port)); err == nil {
			secure := tls.Client(conn, &tls.Config{ServerName: u.Hostname()})
			err = secure.HandshakeContext(ctx)
		}
	} else {
		if port == "" {
			port = "80"
		}
		conn, err = s.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	}
	if conn != nil {
		defer conn.Close()
	}
	if err != nil {
		return []plugin.Finding{{Level: plugin.Wrong, Text: fmt.Sprintf("cannot connect to %s: %v", s.opts.URL.Origin(), err), Fix: "see that the receiver runs, that its name is right, and that its certificate is valid"}}
	}
	return []plugin.Finding{{Text: fmt.Sprintf("connected to %s; no request was sent", s.opts.URL.Origin())}}
}
