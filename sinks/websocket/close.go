package websocket

import (
	"context"
	"time"
)

// leaving is how long the goodbyes to so many clients take at most per client: who comes
// back all at once is a storm.
const closeInterval = time.Millisecond

// drainFeeders waits for messages that are on their way to clients of filters, for at most a
// quarter of the time that there is.
func (s *sink) drainFeeders(ctx context.Context) {
	timeout := closeInterval * 1000
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s.hub.drainFeeders(ctx)
}

// closeClients says goodbye to the clients, one after the other.
func (s *sink) closeClients(ctx context.Context) {
	clients := s.listClients()
	window := min(s.opts.Farewell.D(), time.Duration(len(clients))*closeInterval)
	if end, ok := ctx.Deadline(); ok {
		window = min(window, time.Until(end)/2) // they need some time, too
	}
	begin := time.Now()
	for i, c := range clients {
		c.close(restartFrame(), "shutdown", true)
		if until := time.Until(begin.Add(window * time.Duration(i+1) / time.Duration(len(clients)))); until > time.Millisecond {
			time.Sleep(until)
		}
	}
}

func restartFrame() []byte { return closeFrame(closeRestart, "the gateway is stopping") }

// Close is part of [plugin.Closer]: each client gets what the log holds and a
// close frame. When ctx ends, connections that are left are cut.
func (s *sink) Close(ctx context.Context) error {
	defer s.jwt.close()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.drainFeeders(ctx)
	s.closeClients(ctx)
	gone := s.whenDone(s.handlers.Wait)
	select {
	case <-gone:
	case <-ctx.Done():
		s.cutConnections()
		<-gone // a closed connection ends both of its goroutines
	}
	select {
	case <-s.whenDone(s.hub.feeders.Wait):
	case <-ctx.Done(): // one evaluation is not interrupted: the feeder ends behind it
	}
	return nil
}

// cutConnections closes the connections that are left, and has those go who wait for a topic.
func (s *sink) cutConnections() {
	s.hub.endAllTopics()
	cut := s.listClients()
	for _, c := range cut {
		_ = c.conn.Conn.Close()
	}
	if len(cut) > 0 { // their affair: it makes no failure of the stop
		s.env.Log.Warn("clients that did not take the rest in time were cut off", "clients", len(cut))
	}
}

// whenDone returns a channel that is closed when wait returns.
func (s *sink) whenDone(wait func()) <-chan struct{} {
	c := make(chan struct{})
	s.env.Go(func(context.Context) { defer close(c); wait() })
	return c
}
