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
	*net.TCPConn
	gate     *gate
	peer     netip.Addr
	until    time.Time // end of a connection in the reserve; zero: it is not in the reserve
	answered atomic.Bool
	closed   atomic.Bool
}

// reserved reports whether the connection is in the reserve.
func (c *conn) reserved() bool { return !c.until.IsZero() }

// Close is part of [net.Conn].
func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.gate.release(c)
	}
	return c.TCPConn.Close()
}

// SetDeadline is part of [net.Conn]. No deadline of a connection in the reserve is later
// than its end.
func (c *conn) SetDeadline(t time.Time) error { return c.TCPConn.SetDeadline(c.bound(t)) }

// SetReadDeadline is part of [net.Conn].
func (c *conn) SetReadDeadline(t time.Time) error { return c.TCPConn.SetReadDeadline(c.bound(t)) }

// SetWriteDeadline is part of [net.Conn].
func (c *conn) SetWriteDeadline(t time.Time) error { return c.TCPConn.SetWriteDeadline(c.bound(t)) }

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
