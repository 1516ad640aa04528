// Package link detects dead connections to PostgreSQL and Redis. A deadline is postponed while bytes
// pass, so that a slow link with large messages is not taken for a server that does not answer.
package link

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// chunkSize is the number of bytes of one write, small enough for each to show progress.
const chunkSize = 64 << 10

// Conn is a connection whose deadlines are postponed while bytes pass: a deadline in three seconds
// ends a read that gets no byte for three seconds.
type Conn struct {
	net.Conn
	progressed  atomic.Int64 // when bytes passed last, in Unix nanoseconds
	read, write deadline
	written     atomic.Int64 // bytes since the last read
	unsent      atomic.Int64 // bytes in the kernel's send buffer, as of the last query
}

// deadline is a deadline that can be postponed.
type deadline struct {
	timeout atomic.Int64 // from when the deadline was set to the deadline, in nanoseconds; 0: no deadline
	until   atomic.Int64 // the deadline, in Unix nanoseconds
}

func (d *deadline) set(t time.Time) {
	if t.IsZero() {
		d.timeout.Store(0)
		return
	}
	d.until.Store(t.UnixNano())
	d.timeout.Store(max(int64(time.Until(t)), 0))
}

// postpone returns the next deadline, if less than half of the timeout is left. This bounds the
// number of calls that set a deadline.
func (d *deadline) postpone(now int64) (next time.Time, ok bool) {
	timeout := d.timeout.Load()
	if timeout == 0 || d.until.Load()-now > timeout/2 {
		return next, false
	}
	d.until.Store(now + timeout)
	return time.Unix(0, now+timeout), true
}

// New returns a Conn on conn.
func New(conn net.Conn) *Conn {
	c := &Conn{Conn: conn}
	c.progressed.Store(time.Now().UnixNano())
	return c
}

// Of returns the Conn below conn, which may be a TLS connection; nil where there is none.
func Of(conn net.Conn) *Conn {
	for conn != nil {
		if c, ok := conn.(*Conn); ok {
			return c
		}
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = wrapper.NetConn()
	}
	return nil
}

// NetConn returns the underlying connection.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// LastProgress returns when bytes passed last.
func (c *Conn) LastProgress() time.Time { return time.Unix(0, c.progressed.Load()) }

// SetDeadline is part of [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline is part of [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is part of [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// Read is part of [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.read.timeout.Load() == 0 || !c.drains() {
			if n > 0 {
				now := c.recordProgress()
				c.written.Store(0)
				if next, ok := c.read.postpone(now); ok {
					_ = c.Conn.SetReadDeadline(next) // the next read returns the error
				}
			}
			return n, err
		}
		if next, ok := c.read.postpone(c.recordProgress()); ok {
			_ = c.Conn.SetReadDeadline(next) // the next read returns the error
		}
	}
}

// Write is part of [net.Conn].
func (c *Conn) Write(b []byte) (n int, err error) {
	for {
		var m int
		m, err = c.Conn.Write(b[n:min(n+chunkSize, len(b))])
		n += m
		expired := errors.Is(err, os.ErrDeadlineExceeded) && c.write.timeout.Load() > 0
		progress := m > 0 || expired && c.drains() // the kernel accepts more only when much of its buffer is sent
		if progress {
			now := c.recordProgress()
			if next, ok := c.write.postpone(now); ok {
				_ = c.Conn.SetWriteDeadline(next) // the next write returns the error
			}
			if next, ok := c.read.postpone(now); ok { // the answer follows the request
				_ = c.Conn.SetReadDeadline(next)
			}
		}
		if c.written.Add(int64(m)) > chunkSize && m > 0 { // less is sent at once, or never
			c.unsent.Store(unsent(c.Conn))
		}
		if err != nil && !(expired && progress) || err == nil && n == len(b) {
			return n, err
		}
	}
}

// drains reports whether the kernel has sent bytes since the last query.
func (c *Conn) drains() bool {
	before := c.unsent.Load()
	if before == 0 {
		return false
	}
	now := unsent(c.Conn)
	c.unsent.Store(now)
	return now < before
}

func (c *Conn) recordProgress() int64 {
	now := time.Now().UnixNano()
	c.progressed.Store(now)
	return now
}

// WithSilence returns a context for a request to a server. It ends with ctx, and with the error
// [context.DeadlineExceeded] when no byte has passed on conn for silence. Where there is no Conn
// below conn, silence is the timeout of the whole request.
func WithSilence(ctx context.Context, conn net.Conn, silence time.Duration) (context.Context, context.CancelFunc) {
	c := Of(conn)
	if c == nil {
		return context.WithTimeout(ctx, silence)
	}
	inner, cancel := context.WithCancel(ctx)
	s := &silenceContext{Context: inner}
	begin := time.Now()
	var timer *time.Timer
	var mu sync.Mutex // held until timer is set
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(silence, func() {
		mu.Lock()
		defer mu.Unlock()
		last := c.LastProgress()
		if last.Before(begin) {
			last = begin
		}
		if left := silence - time.Since(last); left > 0 {
			timer.Reset(left)
			return
		}
		s.silent.Store(true)
		cancel()
	})
	return s, func() { timer.Stop(); cancel() }
}

// silenceContext is the context that [WithSilence] returns.
type silenceContext struct {
	context.Context
	silent atomic.Bool // ended by silence
}

// Err is part of [context.Context].
func (s *silenceContext) Err() error {
	if s.silent.Load() {
		return context.DeadlineExceeded
	}
	return s.Context.Err()
}

// Unsent returns the number of bytes that were written to conn and that the other side has not acknowledged. It returns 0
// where the system does not report it.
func Unsent(conn net.Conn) int64 {
	c := Of(conn)
	if c == nil {
		return 0
	}
	return unsent(c.Conn)
}
