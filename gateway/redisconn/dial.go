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

// dialer returns a function that connects, with TLS if config is set: each server is verified by
// the name that is dialled. family limits it to IPv4 ("4") or IPv6 ("6"). Read and write timeouts
// count from the latest progress, so a large entry on a slow link does not time out.
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
		serverConfig := config.Clone()
		if serverConfig.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			serverConfig.ServerName = addr
		}
		encrypted := tls.Client(conn, serverConfig)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return encrypted, nil
	}
}

// ParseOptions returns the configuration of a plugin's options: of a URL as [Parse] reads it, and of TLS. Its errors are
// [plugin.OptionError]s; option is the name of the URL's.
func ParseOptions(option string, u options.URL, t options.TLS) (*Config, error) {
	c, err := Parse(u)
	if err != nil {
		return nil, &plugin.OptionError{Option: option, Err: err}
	}
	return c, c.UseTLS(t)
}

// UseTLS sets the authorities that connections trust, and their client certificate. Its error is a
// [plugin.OptionError] of the option tls, and never contains what is in a file.
func (c *Config) UseTLS(t options.TLS) error {
	if t.IsZero() {
		return nil
	}
	config := c.options.TLSConfig
	if config == nil {
		return &plugin.OptionError{Option: "tls", Err: errors.New("is for a server with TLS: begin the URL with rediss")}
	}
	loaded, option, err := t.Config()
	if err != nil {
		return &plugin.OptionError{Option: options.Join("tls", option), Err: err}
	}
	config.RootCAs, config.Certificates = loaded.RootCAs, loaded.Certificates
	return nil
}
