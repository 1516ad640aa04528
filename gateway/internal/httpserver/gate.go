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

	"eventgateway/gateway/logsample"
	"eventgateway/gateway/options"
)

// gate is a listener that counts its connections. Those beyond the limit go into the
// reserve. If the reserve is full, a new connection replaces the oldest one: health checks
// send their request at once, so the oldest is most likely silent.
type gate struct {
	net.Listener
	limits    Limits
	proxies   []netip.Prefix // whose connections begin with a PROXY header
	log       *slog.Logger
	metrics   listenerMetrics
	accepting logsample.Sampler // of log lines about errors of accept
	headers   logsample.Sampler // of log lines about missing PROXY headers

	mu        sync.Mutex
	open      int // connections, without the reserve
	reserve   []*conn
	addresses map[netip.Addr]int // connections by address, if PerAddress is set
}

func newGate(l net.Listener, limits Limits, proxies []netip.Prefix, m listenerMetrics, log *slog.Logger) *gate {
	return &gate{
		Listener: l, limits: limits, proxies: proxies, log: log, metrics: m,
		accepting: logsample.Sampler{Interval: time.Minute}, headers: logsample.Sampler{Interval: time.Minute}, addresses: map[netip.Addr]int{},
	}
}

// Accept is part of [net.Listener]. After an error the server waits before the next call.
func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			g.accepting.Log(g.log, slog.LevelError, "out of file descriptors: raise the limit of open files, or lower http.limits.connections", "error", err)
		}
		if err != nil {
			return nil, err
		}
		if c := g.admit(raw); c != nil {
			return c, nil
		}
		reset(raw)
	}
}

// admit counts a connection and returns it, or nil where its address has too many.
func (g *gate) admit(raw net.Conn) *conn {
	c := &conn{Conn: raw, gate: g}
	if g.isProxy(orLoopback(raw.RemoteAddr())) {
		c.header = &proxyHeader{}
	}
	g.mu.Lock()
	if c.header == nil && !g.countAddress(c, network(raw.RemoteAddr())) { // else when the header is read
		g.mu.Unlock()
		g.metrics.refused("address")
		return nil
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
		reset(oldest)
	}
	return c
}

// reset closes a connection without the state TIME_WAIT.
func reset(c net.Conn) {
	if lingering, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = lingering.SetLinger(0)
	}
	_ = c.Close()
}

// countAddress counts a connection for an address, and reports false if the address has too many. It needs mu. A
// zero address, that of a Unix socket, is not counted.
func (g *gate) countAddress(c *conn, addr netip.Addr) bool {
	if g.limits.PerAddress == 0 || !addr.IsValid() {
		return true
	}
	if g.addresses[addr] >= g.limits.PerAddress {
		return false
	}
	c.peer = addr
	g.addresses[addr]++
	return true
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
	if !c.peer.IsValid() {
		return
	}
	if g.addresses[c.peer]--; g.addresses[c.peer] <= 0 {
		delete(g.addresses, c.peer)
	}
}

// network returns the address by which a client is counted.
func network(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return options.ClientNetwork(tcp.AddrPort().Addr())
}
