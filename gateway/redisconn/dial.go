package redisconn

import (
	"context"
	"crypto/tls"
	"net"

	"eventgateway/gateway/internal/link"
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
