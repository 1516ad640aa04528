package tap

import (
	"time"

	"eventgateway/gateway/event"
)

// Bounds of what is recorded of one event.
const (
	maxSteps  = 64 // applications of transforms
	maxEvents = 10 // events of a window, or made of one event
)

// The outcomes of an event at a component, or at one of its transforms.
const (
	Emitted      = "emitted"       // by its source
	Sent         = "sent"          // to the sinks of the route
	Filtered     = "filtered"      // not taken by the route, or left out by a transform
	Held         = "held"          // in the window of a batch transform
	Enqueued     = "enqueued"      // into the queue of the sink
	Delivered    = "delivered"     // by the sink
	Failed       = "failed"        // and it is retried
	Dropped      = "dropped"       // by a full queue, or by on_error
	DeadLettered = "dead_lettered" // parked
	Returned     = "returned"      // to its source, which brings it again
	Applied      = "applied"       // by a transform
	Passed       = "passed"        // unchanged, although the transform has failed
)

// Record is what became of an event, or of a window of events, at a component.
type Record struct {
	Time      time.Time
	Component string        // name of the point, or of the component that has failed
	Events    []event.Event // what came in
	Count     int           // of the events that came in; Events has the first ones
	Hide      *Policy       // of Events
	Steps     []Step        // through transforms
	Outcome   string
	Reason    string // of the outcome, where there is one
	Attempts  int    // failed ones
	To        []string

	takers []*Viewer
	parts  int // events that were made of it and go on
}

// Step is one application of a transform.
type Step struct {
	Stage     int // index of the transform in its route
	Transform string
	Type      string
	Before    *event.Event // nil: the window, which came in
	Hidden    *Policy      // of Before
	After     []event.Event
	Count     int     // of what was made; After has the first ones
	Hide      *Policy // of After
	Outcome   string
	Reason    string
}

// Record returns a record of events that come in now; nil if no viewer takes it. The caller completes the record and calls
// [Record.Done]. hide is called if a viewer takes it.
func (p *Point) Record(hide func() *Policy, events ...*event.Event) *Record {
	list := p.viewers.Load()
	if list == nil {
		return nil
	}
	var r *Record
	for _, v := range *list {
		if !v.wants() {
			continue
		}
		if r == nil {
			r = &Record{Time: time.Now(), Component: p.Name, Count: len(events), parts: 1}
			if hide != nil {
				r.Hide = hide()
			}
			r.Events = copies(events)
		}
		r.takers = append(r.takers, v)
	}
	return r
}

// copies returns copies of the first events. Their payloads and attributes are read-only, so the copies share them.
func copies(events []*event.Event) []event.Event {
	out := make([]event.Event, 0, min(len(events), maxEvents))
	for _, e := range events[:min(len(events), maxEvents)] {
		if e != nil {
			c := *e
			c.Fence, c.Attempts = nil, nil
			out = append(out, c)
		}
	}
	return out
}

// Show records one event with an outcome, if the point has a viewer.
func (p *Point) Show(hide func() *Policy, e *event.Event, outcome, reason string, attempts int) {
	if !p.Watched() {
		return
	}
	if r := p.Record(hide, e); r != nil {
		r.Outcome, r.Reason, r.Attempts = outcome, reason, attempts
		r.Done()
	}
}

// Apply adds a step: a transform has made out of before, which is nil for a window.
func (r *Record) Apply(s Step, before *event.Event, out []*event.Event) {
	r.parts += len(out) - 1
	if r.parts == 0 {
		r.Outcome, r.Reason = s.Outcome, s.Reason
	}
	if len(r.Steps) == maxSteps {
		return
	}
	if before != nil {
		s.Before = &copies([]*event.Event{before})[0]
	}
	s.After, s.Count = copies(out), len(out)
	r.Steps = append(r.Steps, s)
}

// End sets the outcome of the record, unless it has one because none of its events goes on.
func (r *Record) End(outcome, reason string) {
	if r.parts > 0 && r.Outcome == "" {
		r.Outcome, r.Reason = outcome, reason
	}
}

// Done gives the record to the viewers, which own it from then on.
func (r *Record) Done() {
	size := 0
	for i := range r.Events {
		size += len(r.Events[i].Data)
	}
	for i := range r.Steps {
		for j := range r.Steps[i].After {
			size += len(r.Steps[i].After[j].Data)
		}
	}
	for _, v := range r.takers {
		v.put(r, size)
	}
}
