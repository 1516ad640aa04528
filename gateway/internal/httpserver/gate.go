package httpserver

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// gate is a listener that counts its connections. Those beyond the limit go into the
// reserve. If the reserve is full, a new connection replaces the oldest one: health checks
// send their request at once, so the oldest is most likely silent.
type gate struct {
	*net.TCPListener
	limits  Limits
	log     *slog.Logger
	metrics listenerMetrics
	warn    rate.Sometimes // limits the log of errors of accept

	mu        sync.Mutex
	open      int // connections, without the reserve
	reserve   []*conn
	addresses map[netip.Addr]int // connections by address, if PerAddress is set
}

func newGate(l *net.TCPListener, limits Limits, m listenerMetrics, log *slog.Logger) *gate {
	return &gate{
		TCPListener: l, limits: limits, log: log, metrics: m,
		warn: rate.Sometimes{First: 1, Interval: time.Minute}, addresses: map[netip.Addr]int{},
	}
}

// Accept is part of [net.Listener]. After an error the server waits before the next call.
func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.AcceptTCP()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			g.warn.Do(func() {
				g.log.Error("out of file descriptors: raise the limit of open files, or lower http.limits.connections", "error", err)
			})
		}
		if err != nil {
			return nil, err
		}
		if c := g.admit(raw); c != nil {
			return c, nil
		}
		_ = raw.SetLinger(0) // no TIME_WAIT
		_ = raw.Close()
	}
}

// admit counts a connection and returns it, or nil where its address has too many.
func (g *gate) admit(raw *net.TCPConn) *conn {
	c := &conn{TCPConn: raw, gate: g, peer: network(raw.RemoteAddr())}
	g.mu.Lock()
	if g.limits.PerAddress > 0 {
		if g.addresses[c.peer] >= g.limits.PerAddress {
			g.mu.Unlock()
			g.metrics.refused("address")
			return nil
		}
		g.addresses[c.peer]++
	}
	var oldest *conn
	if g.open < g.limits.Connections {
		g.open++
	} else {
		c.until = time.Now().Add(reserveLife)
		if len(g.reserve) >= g.limits.Reserve {
			oldest = g.reserve[0]
		}
		g.reserve = append(g.reserve, c)
		_ = c.SetDeadline(c.until) // it fails for a broken connection, whose next read fails as well
	}
	g.mu.Unlock()
	g.metrics.connections.Inc()
	if oldest != nil {
		if !oldest.answered.Load() {
			g.metrics.refused("connections")
		}
		_ = oldest.SetLinger(0)
		_ = oldest.Close()
	}
	return c
}

// release stops counting c.
func (g *gate) release(c *conn) {
	defer g.metrics.connections.Dec()
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.reserved() {
		g.reserve = slices.DeleteFunc(g.reserve, func(other *conn) bool { return other == c })
	} else {
		g.open--
	}
	if g.limits.PerAddress == 0 {
		return
	}
	if g.addresses[c.peer]--; g.addresses[c.peer] <= 0 {
		delete(g.addresses, c.peer)
	}
}

// network returns the addresses of one client: an IPv4 address, or the /64 network of an
// IPv6 address.
func network(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		prefix, err := addr.Prefix(64)
		if err != nil {
			return addr
		}
		return prefix.Addr()
	}
	return addr
}
