package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/options"
)

// adminPages describes the listener of the admin pages of a gateway on this host.
type adminPages struct {
	setting string // of their listener: "http" or "http.admin"
	address string // host:port, or unix:PATH
	tls     config.SharedTLS
	proxies []options.Network // whose connections begin with a PROXY header
}

// adminPagesOf returns the listener of the admin pages in these settings.
func adminPagesOf(o config.HTTP) adminPages {
	if o.Admin.Listen != "" {
		return adminPages{"http.admin", o.Admin.Listen, config.SharedTLS{ServerTLS: o.Admin.TLS}, nil}
	}
	return adminPages{"http", o.Listen, o.TLS, o.ProxyProtocol}
}

// url returns the URL of the pages, without a slash at its end.
func (p adminPages) url() string {
	host := dialAddress(p.address)
	if _, unix := httpserver.SocketPath(p.address); unix {
		host = "localhost"
	}
	if p.tls.Enabled() {
		return "https://" + host
	}
	return "http://" + host
}

// transport returns a transport to the pages. It uses no proxy.
func (p adminPages) transport(c *tls.Config) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: c, DialContext: p.dial}
}

// dial connects to the listener of the pages. If http.proxy_protocol includes this host, the connection begins with a PROXY
// header without a client.
func (p adminPages) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if path, unix := httpserver.SocketPath(p.address); unix {
		network, address = "unix", path
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || !p.isProxy(conn.LocalAddr()) {
		return conn, err
	}
	if _, err := io.WriteString(conn, "PROXY UNKNOWN\r\n"); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// isProxy reports whether connections from an address begin with a PROXY header. The listener counts the peers of a Unix socket
// as 127.0.0.1.
func (p adminPages) isProxy(addr net.Addr) bool {
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if tcp, ok := addr.(*net.TCPAddr); ok {
		ip = tcp.AddrPort().Addr().Unmap()
	}
	return slices.ContainsFunc(p.proxies, func(n options.Network) bool { return n.Prefix().Contains(ip) })
}

// pinned returns the TLS configuration of a client that sends a secret. It accepts only the certificate of the
// configuration. The handshake proves that the server has its key, so its names, authority and dates do not matter.
func (p adminPages) pinned() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("it shows no certificate")
		}
		if p.tls.ACME.Enabled() {
			return p.storedByACME(s.PeerCertificates[0])
		}
		if leaf := p.tls.Leaf(); leaf != nil && leaf.Equal(s.PeerCertificates[0]) {
			return nil
		}
		return fmt.Errorf("its certificate is not that of %s.tls.cert: wait until it has loaded the file, or name the gateway by --url", p.setting)
	}}
}

// checkClient returns an error if the listener refuses clients without a certificate. Commands have none.
func (p adminPages) checkClient() error {
	if !p.tls.Enabled() || p.tls.ClientAuth != "required" {
		return nil
	}
	err := errors.New("commands have no certificate of a client, and " + p.setting + ".tls.client_auth is required")
	if p.setting == "http" {
		return fmt.Errorf("%w: set http.admin.listen, or client_auth: optional", err)
	}
	return fmt.Errorf("%w: set client_auth: optional", err)
}

// get requests /metrics. It sends no secret and follows no redirect, since the process that listens may be any
// program; so it checks no certificate either.
func (p adminPages) get(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	return p.transport(&tls.Config{InsecureSkipVerify: true}).RoundTrip(req)
}

// dialAddress returns the address by which this host connects to a listen address.
func dialAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
