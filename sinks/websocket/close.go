package websocket

import (
	"context"
	"time"
)

// closeInterval is the greatest pause between two clients when all are closed. Clients that
// are closed at once also reconnect at once.
const closeInterval = time.Millisecond

// drainFeeders waits until the topics have every message: a second, or a quarter of the time
// that ctx leaves.
func (s *sink) drainFeeders(ctx context.Context) {
	timeout := closeInterval * 1000
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s.hub.drainFeeders(ctx)
}

// closeClients closes the clients one after the other, each after its log.
func (s *sink) closeClients(ctx context.Context) {
	clients := s.listClients()
	window := min(s.opts.Farewell.D(), time.Duration(len(clients))*closeInterval)
	if end, ok := ctx.Deadline(); ok {
		window = min(window, time.Until(end)/2) // the rest is for the last clients to receive their log
	}
	started := time.Now()
	for i, c := range clients {
		c.close(restartFrame(), "shutdown", true)
		if until := time.Until(started.Add(window * time.Duration(i+1) / time.Duration(len(clients)))); until > time.Millisecond {
			time.Sleep(until)
		}
	}
}

// restartFrame returns the close frame of a stop.
func restartFrame() []byte { return closeFrame(closeRestart, "the gateway is stopping") }

// Close is part of [plugin.Closer]. Each client gets the rest of the log and a close frame. When
// ctx ends, Close closes the remaining connections.
func (s *sink) Close(ctx context.Context) error {
	defer s.jwt.close()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.snapshots.end()
	s.drainFeeders(ctx)
	s.closeClients(ctx)
	closed := s.whenDone(s.handlers.Wait)
	select {
	case <-closed:
	case <-ctx.Done():
		s.cutConnections()
		<-closed // a closed connection ends both of its goroutines
	}
	s.closePresence(ctx)
	select {
	case <-s.whenDone(s.hub.feeding.Wait):
	case <-ctx.Done(): // an evaluation cannot be interrupted: the feeder ends after it
	}
	return nil
}

// cutConnections closes the remaining connections, and ends the waits of clients that join and the reading of snapshots.
func (s *sink) cutConnections() {
	s.hub.endJoins()
	s.snapshots.cut()
	cut := s.listClients()
	for _, c := range cut {
		_ = c.conn.Conn.Close()
	}
	if len(cut) > 0 { // slow clients are no failure of the stop
		s.env.Log.Warn("slow clients disconnected at stop", "clients", len(cut))
	}
}

// whenDone returns a channel that is closed when wait has returned.
func (s *sink) whenDone(wait func()) <-chan struct{} {
	c := make(chan struct{})
	s.env.Go(func(context.Context) { defer close(c); wait() })
	return c
}

// drainWaiter waits until all topics have the events up to an offset.
type drainWaiter struct {
	offset uint64
	done   chan struct{}
}

// notifyDrained ends the waits of drain.
func (f *feeder) notifyDrained() {
	if len(f.waiting) == 0 || f.ready > 0 {
		return
	}
	remaining := f.waiting[:0]
	for _, w := range f.waiting {
		if w.offset <= f.matched.Load() {
			close(w.done)
		} else {
			remaining = append(remaining, w)
		}
	}
	f.waiting = remaining
}

// drainFeeders waits until the topics have every message that was written before.
func (h *hub) drainFeeders(ctx context.Context) {
	for _, f := range h.feeders {
		f.drain(ctx, h.main.log.messages.Load())
	}
}

// endJoins lets no client join any more, and ends the waits of those that do. It is called when the time for a stop is
// over.
func (h *hub) endJoins() { h.closing.Do(func() { close(h.closed) }) }

// drain waits until all topics have the events up to an offset, or until ctx ends.
func (f *feeder) drain(ctx context.Context, offset uint64) {
	if f.count.Load() == 0 {
		return
	}
	w := drainWaiter{offset, make(chan struct{})}
	f.do(func() { f.waiting = append(f.waiting, w) })
	select {
	case <-w.done:
	case <-ctx.Done():
	}
}
