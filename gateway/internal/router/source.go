package router

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// source runs one plugin.Source, whose Output is in output.go.
type source struct {
	component
	spec   SourceSpec
	impl   plugin.Source
	wiring cell[[]wired]
	lead   *leadership // nil where every gateway captures
	key    expr.Evaluator

	stop  context.CancelFunc // ends Run
	ended chan struct{}      // closed when the goroutine has ended

	mu      sync.Mutex
	missed  string // why events may have been missed before this run is ready; "" once it is
	begins  bool   // nothing ran before in this gateway, and nothing stood by
	counts  SourceCounts
	before  *source       // the predecessor, until its last batch is settled
	carried SourceCounts  // the counts of all predecessors
	settled chan struct{} // made when the source has ended, closed when nothing is outstanding any more

	stall stall

	// late is set when the source has ended: attempts after that are not waited for.
	late atomic.Pointer[time.Time]

	emitting sync.Mutex   // held by each method of its outputs
	acking   atomic.Int64 // calls of an Ack that have not returned
	closed   atomic.Bool  // no Ack any more
	wasReady chan struct{}
	first    sync.Once

	// Only the goroutine of Run has these.
	restart backoff
	taken   []bool  // scratch of Emit
	quiet   limiter // of the log, for gaps that are passed on
	slips   limiter // of the log
	term    *flag   // of this run; see output
	// readyNacked is how many events were given back when it was last ready.
	readyNacked uint64
}

// wired is a route of a source, with the sinks it leads to now. A source's routes with
// else come last.
type wired struct {
	route *route
	in    *atomic.Uint64
	to    []*edge
}

// captures notes that the source is connected. gapped says that its plugin has reported a gap.
func (s *source) captures(gapped bool) {
	s.mayHaveMissed(gapped)
	s.mu.Lock()
	nacked := s.counts.Nacked
	s.mu.Unlock()
	if nacked == s.readyNacked { // else it would give the same events again and again, without a pause
		s.restart.reset() // Ready is called from Run, by the source's goroutine
	}
	s.readyNacked = nacked
	if s.lead != nil {
		s.lead.captures()
	}
	s.health.up()
	s.first.Do(func() { close(s.wasReady) })
}

// emit counts a batch and carries it through the routes. Where the run that it comes from is over,
// the batch is given back.
func (s *source) emit(ctx context.Context, b event.Batch, from *output) error {
	n := uint64(len(b.Events))
	s.mu.Lock()
	s.counts.Emitted += n
	s.counts.Outstanding += n
	s.mu.Unlock()
	var rec *receipt
	if b.Ack != nil {
		rec = newReceipt(func(err error) {
			s.ack(b.Ack, err)
			s.settle(n, err)
		})
		rec.of, rec.term, rec.retried = s, from.term, b.Tried
	}
	err := s.stamp(b.Events)
	if from.over.Load() {
		err = errAfterRun
	}
	switch err {
	case errAfterRun, errNilEvent:
		s.slip(err)
	case nil:
		s.wiring.use(func(routes []wired) {
			taken := s.noneTaken(routes, len(b.Events))
			for _, w := range routes {
				w.in.Add(n)
				if b.Refused != nil {
					w.route.refuse(ctx, b.Events, rec, letter{component: "source " + s.name, err: s.redactor.Error(b.Refused)})
					continue
				}
				if e := w.route.carry(ctx, b.Events, taken, rec, w.to); e != nil {
					err = e
				}
			}
		})
	}
	if rec == nil {
		s.settle(n, err) // it is the router's now; nobody waits for more
	} else {
		rec.done(err)
	}
	return err
}

// noneTaken returns room to note which events of a batch routes take; nil where none
// of the routes asks.
func (s *source) noneTaken(routes []wired, n int) []bool {
	if len(routes) == 0 || !routes[len(routes)-1].route.spec.Else {
		return nil
	}
	s.taken = append(s.taken[:0], make([]bool, n)...)
	return s.taken
}

// stamp sets what the plugin has left out, and what the configuration adds to events: the key, and
// the fence of a leader. It fails where this gateway leads no more, and where an event is nil.
func (s *source) stamp(events []*event.Event) error {
	for _, e := range events {
		if e == nil {
			return errNilEvent
		}
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		if e.Source == "" {
			e.Source = s.name
		}
	}
	if s.lead != nil {
		fence, err := s.lead.fence()
		if err != nil {
			return err
		}
		for _, e := range events {
			e.Fence = fence
		}
	}
	if s.spec.Capture.Key.IsZero() {
		return nil
	}
	for _, e := range events {
		text, _, err := s.key.Text(nil, s.spec.Capture.Key, e)
		e.Key = string(text)
		if err != nil { // text that is no JSON, and the like: it is in the lane for all
			e.Key = ""
			s.mu.Lock()
			s.counts.Keyless++
			s.mu.Unlock()
		}
	}
	return nil
}

// ack tells the plugin, unless it is closed.
func (s *source) ack(tell func(error), err error) {
	if err != nil {
		err = &givenBack{err}
	}
	s.tell(func() { tell(err) })
}

// tell calls a function that the plugin has handed over with a batch, unless the plugin is closed. A
// panic of the plugin's is not the caller's, which is a sink.
func (s *source) tell(f func()) {
	s.acking.Add(1)
	defer s.acking.Add(-1)
	if s.closed.Load() {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			s.health.panicked(p)
		}
	}()
	f()
}

// slip notes that the plugin breaks a rule of the contract, which is made good.
func (s *source) slip(err error) {
	s.health.note(err)
	if more, ok := s.slips.allow(); ok {
		s.log.Error("plugin breaks the contract", "error", err, "others_since_the_last_line", more)
	}
}

func (s *source) settle(n uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Outstanding -= n
	if err == nil {
		s.counts.Acked += n
	} else {
		s.counts.Nacked += n
	}
	s.checkSettled()
}

func (s *source) status() SourceStatus {
	h := s.health.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SourceStatus{Name: s.name, Type: s.spec.Type.Name(), Health: h, SourceCounts: s.counts.plus(s.carried), Stalled: s.stall.status()}
	st.Failing = st.Failing || st.Stalled != nil
	if s.before != nil {
		st.SourceCounts = st.SourceCounts.plus(s.before.status().SourceCounts)
	}
	if s.lead != nil {
		st.Leader = s.lead.status()
	}
	return st
}
