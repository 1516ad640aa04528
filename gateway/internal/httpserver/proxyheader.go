package httpserver

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// proxyHeader is the PROXY header with which a proxy begins a connection. It names the client.
type proxyHeader struct {
	once   sync.Once
	reader *bufio.Reader // has the bytes after the header; nil when all were read
	client net.Addr      // nil: the connection is the proxy's own, such as a health check
	err    error
}

// isProxy reports whether connections from an address begin with a PROXY header.
func (g *gate) isProxy(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	peer := tcp.AddrPort().Addr().Unmap()
	return slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// readHeader reads the PROXY header once, and returns an error if there is none. A listed proxy must send one: a header
// that may be missing could be the client's.
func (c *conn) readHeader() error {
	h := c.header
	h.once.Do(func() {
		_ = c.SetReadDeadline(time.Now().Add(c.gate.limits.Header)) // an error is one of the read, too
		h.reader = bufio.NewReader(c.Conn)
		var header *proxyproto.Header
		if header, h.err = proxyproto.Read(h.reader); h.err == nil {
			_ = c.SetReadDeadline(time.Time{})
			h.err = c.setClient(header)
		} else {
			h.err = fmt.Errorf("no PROXY header from the proxy %s, which http.proxy_protocol names: %w", c.Conn.RemoteAddr(), h.err)
			c.gate.refuseHeader(h.err)
		}
		if h.err != nil {
			reset(c)
		}
	})
	return h.err
}

// setClient stores the client address of a header, and counts the connection for it. It returns an error if the address has
// too many.
func (c *conn) setClient(header *proxyproto.Header) error {
	client, ok := header.SourceAddr.(*net.TCPAddr)
	if !ok || !header.Command.IsProxy() {
		return nil
	}
	c.header.client = client
	c.gate.mu.Lock()
	counted := c.closed.Load() || c.gate.countAddress(c, network(client))
	c.gate.mu.Unlock()
	if !counted {
		c.gate.metrics.refused("address")
		return fmt.Errorf("too many connections from %s", client.IP)
	}
	return nil
}

// refuseHeader counts a connection without a header, and logs at most one each minute.
func (g *gate) refuseHeader(err error) {
	g.metrics.refused("proxy_protocol")
	g.headers.Log(g.log, slog.LevelWarn, "connection of a proxy refused", "error", err)
}

// Read is part of [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if c.header == nil {
		return c.Conn.Read(p)
	}
	if err := c.readHeader(); err != nil {
		return 0, err
	}
	if c.header.reader != nil {
		if c.header.reader.Buffered() > 0 {
			return c.header.reader.Read(p)
		}
		c.header.reader = nil
	}
	return c.Conn.Read(p)
}

// RemoteAddr is part of [net.Conn]: the address of the client, which a PROXY header may name.
func (c *conn) RemoteAddr() net.Addr {
	if c.header != nil && c.readHeader() == nil && c.header.client != nil {
		return c.header.client
	}
	return orLoopback(c.Conn.RemoteAddr())
}
