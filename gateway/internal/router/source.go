package router

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/internal/backoff"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/internal/leader"
	"eventgateway/gateway/internal/rcu"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/internal/tracing"
	"eventgateway/gateway/logsample"
	"eventgateway/gateway/plugin"
)

// source runs one plugin.Source. supervise.go runs it again and again, output.go is its plugin.Output.
type source struct {
	*component.Component
	spec       SourceSpec
	impl       plugin.Source
	wiring     rcu.Value[[]wired]
	leadership *leader.Leadership // nil where every gateway captures
	eval       expr.Evaluator     // of the expressions of spec.Capture
	tap        *tap.Point
	tracing    *tracing.Switch
	record     *stats.SourceRecord
	tracker    *ack.Tracker
	stall      stall

	stop     context.CancelFunc // ends Run
	ended    chan struct{}      // closed when the goroutine has ended
	wasReady chan struct{}      // closed when the source is ready for the first time, or stands by
	first    sync.Once          // closes wasReady

	mu         sync.Mutex
	startGap   string // why events may have been missed before this run is ready; "" once it is
	firstStart bool   // nothing ran in this gateway before

	emitting sync.Mutex // held by each method of its outputs

	// The goroutine of Run uses these.
	restart     backoff.Backoff
	run         *ack.Run // the present one
	taken       []bool   // scratch of emit
	text        []byte   // scratch of setOrigin
	passedOn    logsample.Sampler
	violations  logsample.Sampler
	readyNacked uint64 // events that were nacked before the last Ready
}

// wired is a route of a source, with the sinks it leads to now. The routes of a source with
// else come last.
type wired struct {
	route  *route
	in     *atomic.Uint64
	to     []*edge
	shares bool // another route of the source leads to one of its sinks
}

// ready records that the source is connected. gapReported says that its plugin has reported a gap.
func (s *source) ready(gapReported bool) {
	s.reportStartGap(gapReported)
	nacked := s.record.Counts().Nacked
	if nacked == s.readyNacked { // else it would emit the same events again and again, without a pause
		s.restart.Reset()
	}
	s.readyNacked = nacked
	if s.leadership != nil {
		s.leadership.Capturing()
	}
	s.Health.Up()
	s.first.Do(func() { close(s.wasReady) })
}

// emit counts a batch and carries it through the routes. Where the run that has emitted it is over,
// the batch is nacked.
func (s *source) emit(ctx context.Context, b event.Batch, from *output) error {
	n := uint64(len(b.Events))
	s.tracker.Emitted(n)
	var rec *ack.Receipt
	if b.Ack != nil {
		rec = from.run.Receipt(b)
	}
	err := s.stamp(b.Events)
	if from.over.Load() {
		err = errAfterRun
	}
	switch err {
	case errAfterRun, errNilEvent:
		s.violation(err)
	case nil:
		if n > 0 {
			s.record.Received(b.Events[n-1].Time)
		}
		span := s.tracing.Tracer().Emitted(s.Name, b.Events)
		s.wiring.Use(func(routes []wired) {
			if s.tap.Watched() {
				s.showEmitted(b.Events, routes)
			}
			for _, w := range routes {
				w.in.Add(n)
				if b.DeadLetter != nil {
					w.route.refuse(ctx, b.Events, rec, deadletter.Failure{Component: "source " + s.Name, Err: s.Redactor.Error(b.DeadLetter)})
				}
			}
			if b.DeadLetter == nil {
				err = s.carry(ctx, b.Events, rec, routes)
			}
		})
		if span != nil {
			s.endSpan(span, b.DeadLetter, err)
		}
	}
	if rec == nil {
		s.tracker.Settled(n, err) // the source cannot replay: the batch is the router's now
	} else {
		rec.Done(err)
	}
	return err
}

// carry carries events through routes. Where two routes lead to one sink, it carries one event after the other, so that the sink
// gets them in the order of the source.
func (s *source) carry(ctx context.Context, events []*event.Event, rec *ack.Receipt, routes []wired) (err error) {
	taken, step := s.noneTaken(routes, len(events)), len(events)
	if slices.ContainsFunc(routes, func(w wired) bool { return w.shares }) {
		step = 1
	}
	for len(events) > 0 {
		for _, w := range routes {
			if e := w.route.carry(ctx, events[:step], taken[:min(step, len(taken))], rec, w.to); e != nil {
				err = e
			}
		}
		events, taken = events[step:], taken[min(step, len(taken)):]
	}
	return err
}

// noneTaken returns room to note which events of a batch routes take; nil where no
// route has else.
func (s *source) noneTaken(routes []wired, n int) []bool {
	if len(routes) == 0 || !routes[len(routes)-1].route.spec.Else {
		return nil
	}
	s.taken = append(s.taken[:0], make([]bool, n)...)
	return s.taken
}

// stamp sets the fields that the plugin has left empty, and those that the configuration asks for: the key, the origin
// time, and the fence of a leader. It fails where this gateway does not lead any more, and where an event is nil.
func (s *source) stamp(events []*event.Event) error {
	for _, e := range events {
		if e == nil {
			return errNilEvent
		}
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		if e.Source == "" {
			e.Source = s.Name
		}
	}
	if s.leadership != nil {
		fence, err := s.leadership.Fence()
		if err != nil {
			return err
		}
		for _, e := range events {
			e.Fence = fence
		}
	}
	s.setOrigin(events)
	if !s.spec.Capture.TraceParent.IsZero() {
		s.stampTraces(events)
	}
	if s.spec.Capture.Key.IsZero() {
		return nil
	}
	for _, e := range events {
		text, _, err := s.eval.Text(nil, s.spec.Capture.Key, e)
		e.Key = string(text)
		if err != nil { // such as a payload that is not JSON
			e.Key = ""
			s.record.Keyless()
		}
	}
	return nil
}

// isUnavailable reports whether err says that a server of one's own is unavailable. Where it wraps the error of a nack, that one
// counts.
func isUnavailable(err error) bool {
	var nack *settle.Nack // the source may have marked it as an error of its own server
	if errors.As(err, &nack) {
		err = nack.Err
	}
	return plugin.IsUnavailable(err)
}

// violation records that the plugin breaks a rule of the contract.
func (s *source) violation(err error) {
	s.Health.Failed(err)
	s.violations.Log(s.Log, slog.LevelError, "plugin breaks the contract", "error", err)
}

func (s *source) status() stats.SourceStatus {
	st := stats.SourceStatus{Name: s.Name, Type: s.spec.Type.Name(), Health: s.Health.Health(), SourceCounts: s.record.Counts(), LastEventAt: s.record.LastEvent(), Stalled: s.stall.status()}
	st.Failing = st.Failing || st.Stalled != nil
	if s.leadership != nil {
		st.Leader = s.leadership.Status()
	}
	return st
}
