package redisconn

import (
	"context"
	"crypto/tls"
	"net"

	"eventgateway/gateway/internal/link"
)

// dialer returns a function that connects, with TLS where config is set. An entry of many
// megabytes on a slow link is no silent server: the times to read and write end when nothing
// passes.
func dialer(config *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		var d net.Dialer
		raw, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		conn := link.New(raw)
		if config == nil {
			return conn, nil
		}
		if config.ServerName == "" {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				host = addr
			}
			config := config.Clone()
			config.ServerName = host
		}
		encrypted := tls.Client(conn, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return encrypted, nil
	}
}
