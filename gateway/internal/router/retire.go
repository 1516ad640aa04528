package router

import (
	"slices"
	"sync"
	"time"
)

// retirement ends, in the background, what a plan has replaced or removed. It is the last
// that holds that: nothing that outlives it may point at it.
type retirement struct {
	r         *Router
	old, new  *Plan
	take      takeover          // of new
	number    int               // of the reload
	unused    []<-chan struct{} // closed when nobody uses the old wiring any more
	takeovers *sync.WaitGroup   // successors that wait for their predecessors
	users     sync.WaitGroup    // old sources, which may still use old routes and sinks
}

// abortAt and deadline are when writes that do not end are cancelled, and when what
// is to be closed must be.
func (t *retirement) abortAt() time.Time  { return time.Now().Add(t.new.drain * 3 / 4) }
func (t *retirement) deadline() time.Time { return time.Now().Add(t.new.drain) }

// sinks are those of both plans.
func (t *retirement) sinks() []*sink { return append(slices.Clone(t.old.sinks), t.new.sinks...) }

// begin starts everything; before is closed when what the retirement before has
// ended is ended, done when nobody uses the old wiring any more.
func (t *retirement) begin(before <-chan struct{}, done chan<- struct{}) {
	for s, old := range t.take.freshSinks {
		if old != nil {
			t.takeovers.Add(1)
			t.r.retiring.Go(func() { t.replaceSink(s, old) })
		}
	}
	for s, old := range t.take.freshSources {
		if old != nil {
			t.users.Add(1)
			t.takeovers.Add(1)
			t.r.retiring.Go(func() { t.replaceSource(s, old) })
		}
	}
	for _, s := range t.old.sources {
		if find(t.new.sources, func(n *source) bool { return n.name == s.name }) == nil {
			t.users.Add(1)
			t.r.retiring.Go(func() { t.removeSource(s) })
		}
	}
	unused := make(chan struct{})
	t.r.retiring.Go(func() {
		defer close(unused)
		<-before // in their order, so that counts go from each to the next
		for _, old := range t.unused {
			<-old
		}
		t.users.Wait()
	})
	t.r.retiring.Go(func() {
		defer close(done)
		// A source may be held up by a sink that is to go, and is let go by its end.
		endedBy(unused, t.abortAt())
		t.removeSinks()
		<-unused
		t.endRoutes()
		t.r.edges.fold(t.number)
	})
}

func (t *retirement) replaceSink(s, old *sink) {
	defer t.takeovers.Done()
	s.takeOver(t.abortAt())
	if !s.shared {
		t.note(old.close(t.deadline()))
	}
}

func (t *retirement) replaceSource(s, old *source) {
	stopping := false
	func() {
		defer t.takeovers.Done()
		defer t.users.Done()
		deadline := t.deadline()
		old.end(deadline, t.sinks(), t.r.ctx.Done())
		if stopping = t.r.ctx.Err() != nil; !stopping { // else the successor does not see what is acked, and needs not
			t.note(old.finish(deadline))
		}
		t.r.begin(s)
	}()
	if stopping {
		t.note(old.finish(t.deadline()))
	}
	<-old.settled
	s.inherit()
}

func (t *retirement) removeSource(s *source) {
	defer t.users.Done()
	s.log.Info("removed")
	deadline := t.deadline()
	s.end(deadline, t.sinks(), t.r.ctx.Done())
	t.note(s.finish(deadline))
}

func (t *retirement) endRoutes() {
	for _, rt := range t.old.routes {
		if find(t.new.routes, func(n *route) bool { return n == rt }) == nil {
			t.note(rt.close(t.deadline()))
		}
	}
	for rt := range t.take.freshRoutes {
		rt.inherit()
	}
}

func (t *retirement) removeSinks() {
	var draining sync.WaitGroup
	for _, s := range t.old.sinks {
		if find(t.new.sinks, func(n *sink) bool { return n.name == s.name }) != nil {
			continue
		}
		draining.Go(func() {
			s.log.Info("removed: what waits is delivered first", "events", s.status().Waiting())
			if !s.drain(t.abortAt(), t.deadline()) {
				s.log.Error("the sink that was removed does not stop")
			}
			t.note(s.close(t.deadline()))
		})
	}
	draining.Wait()
}

func (t *retirement) note(err error) {
	if err != nil {
		t.r.log.Error("what the new configuration has ended did not end well", "error", err)
	}
}
