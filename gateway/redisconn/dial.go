package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"eventgateway/gateway/internal/link"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// dialer returns a function that connects, by IPv4 or IPv6 only where family says so, with TLS
// where config is set: each server of several is verified by the name that is dialled. An entry of many
// megabytes on a slow link is no silent server: the times to read and write end when nothing
// passes.
func dialer(config *tls.Config, family string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if network == "tcp" {
			network += family
		}
		var d net.Dialer
		raw, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		conn := link.New(raw)
		if config == nil {
			return conn, nil
		}
		of := config.Clone()
		if of.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			of.ServerName = addr
		}
		encrypted := tls.Client(conn, of)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return encrypted, nil
	}
}

// UseTLS has the connections trust and show the certificates of t. Its error is one of the
// option tls, and never repeats what is in a file.
func (c *Config) UseTLS(t options.TLS) error {
	if t.IsZero() {
		return nil
	}
	of := c.options.TLSConfig
	if of == nil {
		return &plugin.OptionError{Option: "tls", Err: errors.New("is for a server with TLS: begin the URL with rediss")}
	}
	made, wrong, err := t.Config()
	if err != nil {
		return &plugin.OptionError{Option: options.Join("tls", wrong), Err: err}
	}
	of.RootCAs, of.Certificates = made.RootCAs, made.Certificates
	return nil
}
