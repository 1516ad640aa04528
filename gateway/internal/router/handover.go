package router

import (
	"slices"
	"sync"
	"time"

	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/delivery"
)

// handover ends, in the background, the components that a plan has replaced or removed. Nothing that outlives it may
// refer to them.
type handover struct {
	r         *Router
	old, new  *Plan
	install   installation      // of new
	number    int               // of the reload
	unused    []<-chan struct{} // closed when no source uses the old wiring any more
	takeovers *sync.WaitGroup   // successors that wait for their predecessors
	users     sync.WaitGroup    // old sources, which may still use old routes and sinks
}

// abortAt returns when writes are canceled that do not end, and deadline when components are closed.
func (h *handover) abortAt() time.Time  { return time.Now().Add(h.new.drain * 3 / 4) }
func (h *handover) deadline() time.Time { return time.Now().Add(h.new.drain) }

// sinks returns those of both plans.
func (h *handover) sinks() []*delivery.Sink {
	return append(slices.Clone(h.old.sinks), h.new.sinks...)
}

// begin starts the handover. before is closed when the one before has ended; begin closes done when no source uses
// the old wiring any more.
func (h *handover) begin(before <-chan struct{}, done chan<- struct{}) {
	for s, old := range h.install.newSinks {
		if old != nil {
			h.takeovers.Add(1)
			h.r.handovers.Go(func() { h.replaceSink(s, old) })
		}
	}
	for s, old := range h.install.newSources {
		if old != nil {
			h.users.Add(1)
			h.takeovers.Add(1)
			h.r.handovers.Go(func() { h.replaceSource(s, old) })
		}
	}
	for _, s := range h.old.sources {
		if find(h.new.sources, func(n *source) bool { return n.Name == s.Name }) == nil {
			h.users.Add(1)
			h.r.handovers.Go(func() { h.removeSource(s) })
		}
	}
	unused := make(chan struct{})
	h.r.handovers.Go(func() {
		defer close(unused)
		<-before
		for _, old := range h.unused {
			<-old
		}
		h.users.Wait()
		h.flushRoutes()
	})
	h.r.handovers.Go(func() {
		defer close(done)
		// A removed sink may block a source. Its end lets the source go. And a replaced sink may park in it.
		abortAt := h.abortAt()
		backoff.ClosedBy(unused, abortAt)
		endedBy(h.takeovers, abortAt)
		h.removeSinks()
		<-unused
		h.endRoutes()
		h.r.edges.Fold(h.number)
	})
}

func (h *handover) replaceSink(s, old *delivery.Sink) {
	defer h.takeovers.Done()
	s.TakeOver(old, h.abortAt())
	if !s.Shares() {
		h.report(old.Close(h.deadline()))
	}
}

func (h *handover) replaceSource(s, old *source) {
	stopping := false
	func() {
		defer h.takeovers.Done()
		defer h.users.Done()
		deadline := h.deadline()
		old.end(deadline, h.sinks(), h.r.ctx.Done())
		if stopping = h.r.ctx.Err() != nil; !stopping { // when the router stops, the successor does not run
			h.report(old.finish(deadline))
		}
		h.r.begin(s)
	}()
	if stopping {
		h.report(old.finish(h.deadline()))
	}
	<-old.tracker.Idle()
	s.Health.Inherit(old.Health)
}

func (h *handover) removeSource(s *source) {
	s.Log.Info("source removed")
	deadline := h.deadline()
	s.end(deadline, h.sinks(), h.r.ctx.Done())
	if h.r.ctx.Err() != nil { // a stop waits for users before the sinks settle the events of s
		h.users.Done()
	} else {
		defer h.users.Done()
	}
	h.report(s.finish(deadline))
}

// flushRoutes flushes the windows of routes that have ended, before their sinks end.
func (h *handover) flushRoutes() {
	h.old.flushRoutes(h.abortAt(), h.deadline(), func(rt *route) bool {
		return find(h.new.routes, func(n *route) bool { return n == rt }) == nil
	})
}

func (h *handover) endRoutes() {
	for _, rt := range h.old.routes {
		if find(h.new.routes, func(n *route) bool { return n == rt }) == nil {
			h.report(rt.close(h.deadline()))
		}
	}
	for rt, old := range h.install.newRoutes {
		if old != nil {
			rt.health.Inherit(old.health)
			rt.predecessor.Store(nil)
		}
	}
}

// removeSinks drains the removed sinks, and closes them.
func (h *handover) removeSinks() {
	removed := func(s *delivery.Sink) bool {
		return find(h.new.sinks, func(n *delivery.Sink) bool { return n.Name == s.Name }) == nil
	}
	for _, s := range h.old.sinks {
		if removed(s) {
			s.Log.Info("sink removed, draining it", "events", s.Status().Waiting())
		}
	}
	h.old.drainSinks(time.Now(), h.new.drain, removed, func(s *delivery.Sink, inTime bool) {
		if !inTime {
			s.Log.Error("the removed sink does not stop")
		}
		h.report(s.Close(h.deadline()))
	})
}

func (h *handover) report(err error) {
	if err != nil {
		h.r.log.Error("failed to close replaced component", "error", err)
	}
}
