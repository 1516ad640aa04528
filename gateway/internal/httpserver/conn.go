package httpserver

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is a connection that its gate counts until it is closed, by the server or by the handler that
// has hijacked it.
type conn struct {
	net.Conn
	gate     *gate
	peer     netip.Addr   // counted by http.limits.per_address; zero: not counted
	until    time.Time    // end of a connection in the reserve; zero: it is not in the reserve
	header   *proxyHeader // of a connection from a proxy that sends one, else nil
	answered atomic.Bool
	closed   atomic.Bool
	sent     atomic.Int64                   // bytes, with those of TLS
	logged   atomic.Pointer[hijackedAccess] // nil: the access log gets no line when the connection is closed
}

// hijackedAccess is the line of the request whose handler has taken over the connection.
type hijackedAccess struct {
	line   *accessLine
	before int64 // bytes that were sent before
}

// logAtEnd writes a line when the connection is closed.
func (c *conn) logAtEnd(l *accessLine) { c.logged.Store(&hijackedAccess{l, c.sent.Load()}) }

// Write is part of [net.Conn].
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// reserved reports whether the connection is in the reserve.
func (c *conn) reserved() bool { return !c.until.IsZero() }

// Close is part of [net.Conn].
func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.gate.release(c)
		if h := c.logged.Load(); h != nil {
			h.line.write(c.sent.Load() - h.before)
		}
	}
	return c.Conn.Close()
}

// CloseWrite closes the sending side.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SetLinger sets how long Close waits for unsent bytes, in seconds.
func (c *conn) SetLinger(seconds int) error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}

// loopback is the address of both sides of a Unix socket: its peer is on this machine. So the rules for a proxy on
// the same machine hold for it, too.
var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// LocalAddr is part of [net.Conn].
func (c *conn) LocalAddr() net.Addr { return orLoopback(c.Conn.LocalAddr()) }

func orLoopback(addr net.Addr) net.Addr {
	if _, unix := addr.(*net.UnixAddr); unix {
		return loopback
	}
	return addr
}

// SetDeadline is part of [net.Conn]. No deadline of a connection in the reserve is later
// than its end.
func (c *conn) SetDeadline(t time.Time) error { return c.Conn.SetDeadline(c.bound(t)) }

// SetReadDeadline is part of [net.Conn].
func (c *conn) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(c.bound(t)) }

// SetWriteDeadline is part of [net.Conn].
func (c *conn) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.bound(t)) }

func (c *conn) bound(t time.Time) time.Time {
	if c.reserved() && (t.IsZero() || t.After(c.until)) {
		return c.until
	}
	return t
}

type connKey struct{}

// withConn returns a context from which connOf returns the connection, which may be below a TLS connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if encrypted, ok := c.(*tls.Conn); ok {
		c = encrypted.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(ctx context.Context) *conn { return ctx.Value(connKey{}).(*conn) }
