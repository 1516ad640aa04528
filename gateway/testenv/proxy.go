package testenv

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy is a TCP proxy in front of a server. It can freeze its connections, cut them, and limit their rate. A frozen
// connection stays open and forwards no bytes.
type Proxy struct {
	target   string
	listener net.Listener
	done     sync.WaitGroup
	rate     atomic.Int64 // bytes per second, of each connection and direction; 0: no limit

	mu    sync.Mutex
	conns map[*proxied]struct{}
}

// proxied is one connection through the proxy.
type proxied struct {
	client, server    net.Conn
	requests, answers sync.RWMutex // held for writing while frozen
	rate              *atomic.Int64

	lose atomic.Bool // the connection is closed when the next answer arrives
}

// NewProxy starts a proxy in front of the server at target, a host:port.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listener: l, conns: map[*proxied]struct{}{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		p.done.Wait()
	})
	return p
}

// ProxyURL starts a proxy in front of the server at a URL. It returns the proxy and the URL with the address of the
// proxy.
func ProxyURL(t testing.TB, raw string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	p := NewProxy(t, u.Host)
	u.Host = p.listener.Addr().String()
	return p, u.String()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		c := &proxied{client: client, server: server, rate: &p.rate}
		if p.rate.Load() > 0 {
			shrinkBuffers(client)
			shrinkBuffers(server)
		}
		p.mu.Lock()
		p.conns[c] = struct{}{}
		p.mu.Unlock()
		p.done.Go(func() { c.copy(client, server, &c.answers, &c.lose) })
		p.done.Go(func() {
			c.copy(server, client, &c.requests, new(atomic.Bool))
			p.mu.Lock()
			delete(p.conns, c)
			p.mu.Unlock()
		})
	}
}

// copy copies bytes until either side ends, or until lose is set and bytes arrive.
func (c *proxied) copy(dst, src net.Conn, gate *sync.RWMutex, lose *atomic.Bool) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if lose.Load() {
			return
		}
		gate.RLock() // waits while frozen
		werr := c.write(dst, buf[:n])
		gate.RUnlock()
		if err != nil || werr != nil {
			return
		}
	}
}

// write writes b at the rate of the proxy.
func (c *proxied) write(dst net.Conn, b []byte) error {
	for len(b) > 0 {
		part := b
		rate := c.rate.Load()
		if rate > 0 {
			part = b[:min(int64(len(b)), max(rate/50, 1))]
			time.Sleep(time.Duration(int64(len(part)) * int64(time.Second) / rate))
		}
		if _, err := dst.Write(part); err != nil {
			return err
		}
		b = b[len(part):]
	}
	return nil
}

// shrinkBuffers makes the kernel's buffers small, so that a slow connection does not buffer megabytes.
func shrinkBuffers(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		report(errors.Join(tcp.SetReadBuffer(16<<10), tcp.SetWriteBuffer(16<<10)))
	}
}

// Throttle limits the rate of connections that are opened later, in each direction; 0 is no limit.
func (p *Proxy) Throttle(bytesPerSecond int64) { p.rate.Store(bytesPerSecond) }

// Freeze freezes the connections that are open now, and not later ones. thaw forwards the bytes that have arrived
// meanwhile.
func (p *Proxy) Freeze() (thaw func()) {
	return p.freeze(func(c *proxied) []*sync.RWMutex { return []*sync.RWMutex{&c.requests, &c.answers} })
}

// FreezeAnswers freezes only the direction from the server; requests are still forwarded.
func (p *Proxy) FreezeAnswers() (thaw func()) {
	return p.freeze(func(c *proxied) []*sync.RWMutex { return []*sync.RWMutex{&c.answers} })
}

func (p *Proxy) freeze(gates func(*proxied) []*sync.RWMutex) (thaw func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var frozen []*sync.RWMutex
	for c := range p.conns {
		for _, gate := range gates(c) {
			gate.Lock()
			frozen = append(frozen, gate)
		}
	}
	return sync.OnceFunc(func() {
		for _, gate := range frozen {
			gate.Unlock()
		}
	})
}

// LoseAnswers cuts each connection that is open now when the server answers, so that the answer is lost.
func (p *Proxy) LoseAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.lose.Store(true)
	}
}

// Cut closes the connections that are open now.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.client.Close()
		c.server.Close()
	}
}
