// Package link watches the connections to servers of one's own. It tells a server that is silent
// from one whose bytes take long: what counts is whether bytes pass, and not how long all of them
// take.
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

// piece is how many bytes are handed to the kernel at once, so that each shows progress.
const piece = 64 << 10

// Conn is a connection whose deadlines are postponed while bytes pass: a deadline that is set to
// the time in three seconds ends a read on which nothing comes for three seconds.
type Conn struct {
	net.Conn
	moved       atomic.Int64 // when bytes passed last, in Unix nanoseconds
	read, write limit
	written     atomic.Int64 // bytes since the last one that was read
	queued      atomic.Int64 // bytes that the kernel had still to send when it was asked last
}

// limit is a deadline.
type limit struct {
	patience atomic.Int64 // between when the deadline was set, and the deadline; 0: there is none
	until    atomic.Int64 // the deadline, in Unix nanoseconds
}

func (l *limit) set(t time.Time) {
	if t.IsZero() {
		l.patience.Store(0)
		return
	}
	l.until.Store(t.UnixNano())
	l.patience.Store(max(int64(time.Until(t)), 0))
}

// postpone returns the next deadline, where the old one is nearer than half of the patience.
func (l *limit) postpone(now int64) (next time.Time, ok bool) {
	patience := l.patience.Load()
	if patience == 0 || l.until.Load()-now > patience/2 {
		return next, false
	}
	l.until.Store(now + patience)
	return time.Unix(0, now+patience), true
}

// New returns conn, watched.
func New(conn net.Conn) *Conn {
	c := &Conn{Conn: conn}
	c.moved.Store(time.Now().UnixNano())
	return c
}

// Of returns the watched connection below conn, which may be one of TLS, or nil.
func Of(conn net.Conn) *Conn {
	for conn != nil {
		if c, ok := conn.(*Conn); ok {
			return c
		}
		above, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = above.NetConn()
	}
	return nil
}

// NetConn returns the connection that is watched.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Moved returns when bytes passed last.
func (c *Conn) Moved() time.Time { return time.Unix(0, c.moved.Load()) }

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
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.read.patience.Load() == 0 || !c.sends() {
			if n > 0 {
				now := c.progress()
				c.written.Store(0)
				if next, ok := c.read.postpone(now); ok {
					_ = c.Conn.SetReadDeadline(next) // the next read says what is wrong
				}
			}
			return n, err
		}
		if next, ok := c.read.postpone(c.progress()); ok {
			_ = c.Conn.SetReadDeadline(next) // the next read says what is wrong
		}
	}
}

// Write is part of [net.Conn].
func (c *Conn) Write(b []byte) (n int, err error) {
	for {
		var m int
		m, err = c.Conn.Write(b[n:min(n+piece, len(b))])
		n += m
		late := errors.Is(err, os.ErrDeadlineExceeded) && c.write.patience.Load() > 0
		moves := m > 0 || late && c.sends() // the kernel takes more only when much of what it has is gone
		if moves {
			now := c.progress()
			if next, ok := c.write.postpone(now); ok {
				_ = c.Conn.SetWriteDeadline(next) // the next write says what is wrong
			}
			if next, ok := c.read.postpone(now); ok { // the answer comes behind it
				_ = c.Conn.SetReadDeadline(next)
			}
		}
		if c.written.Add(int64(m)) > piece && m > 0 { // else the kernel sends it at once, or never
			c.queued.Store(unsent(c.Conn))
		}
		if err != nil && !(late && moves) || err == nil && n == len(b) {
			return n, err
		}
	}
}

// sends reports whether the kernel has got rid of bytes since it was asked last.
func (c *Conn) sends() bool {
	before := c.queued.Load()
	if before == 0 {
		return false
	}
	now := unsent(c.Conn)
	c.queued.Store(now)
	return now < before
}

func (c *Conn) progress() int64 {
	now := time.Now().UnixNano()
	c.moved.Store(now)
	return now
}

// Answer returns a context for a question to the server. It ends with ctx, and with the error
// [context.DeadlineExceeded] when no byte has passed on conn for silence. A conn that is not
// watched gets silence in all.
func Answer(ctx context.Context, conn net.Conn, silence time.Duration) (context.Context, context.CancelFunc) {
	c := Of(conn)
	if c == nil {
		return context.WithTimeout(ctx, silence)
	}
	inner, cancel := context.WithCancel(ctx)
	a := &answer{Context: inner}
	begin := time.Now()
	var timer *time.Timer
	var made sync.Mutex // held until timer is set
	made.Lock()
	defer made.Unlock()
	timer = time.AfterFunc(silence, func() {
		made.Lock()
		defer made.Unlock()
		last := c.Moved()
		if last.Before(begin) {
			last = begin
		}
		if left := silence - time.Since(last); left > 0 {
			timer.Reset(left)
			return
		}
		a.silent.Store(true)
		cancel()
	})
	return a, func() { timer.Stop(); cancel() }
}

// answer is the context of an [Answer].
type answer struct {
	context.Context
	silent atomic.Bool
}

// Err is part of [context.Context].
func (a *answer) Err() error {
	if a.silent.Load() {
		return context.DeadlineExceeded
	}
	return a.Context.Err()
}
