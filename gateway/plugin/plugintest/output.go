package plugintest

import (
	"context"
	"errors"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// output is a plugin.Output that keeps what it gets, and looks on.
type output struct {
	c       *check
	onReady func() // called within the first Ready; nil for none
	news    chan struct{}
	release chan struct{} // closed at the end: nothing blocks any more

	mu      sync.Mutex
	over    bool // Run has returned
	ready   int
	took    []emitted
	acks    map[any]bool // of all batches
	gaps    []string
	blocks  bool // Emit blocks until its context ends
	blocked bool // Emit does so now
	verdict func(n int) (settle bool, err error)
}

// emitted is one event that a source has emitted.
type emitted struct {
	copied
	ack   *receipt // nil where the batch has none
	ready bool     // Ready was called before
}

func newOutput(c *check) *output {
	return &output{c: c, news: make(chan struct{}, 1), release: make(chan struct{}), acks: map[any]bool{}, verdict: func(int) (bool, error) { return true, nil }}
}

func (o *output) tell() {
	select {
	case o.news <- struct{}{}:
	default:
	}
}

// Ready is part of [plugin.Output].
func (o *output) Ready() {
	o.mu.Lock()
	over := o.over
	o.ready++
	first := o.ready == 1
	o.mu.Unlock()
	switch {
	case over:
		o.c.breaks(ruleAfterRun, "Ready is called after Run has returned")
	case !first:
		o.c.breaks(ruleReady, "Ready is called twice in one Run")
	case o.onReady != nil:
		o.onReady()
	}
	o.tell()
}

var errAfterRun = errors.New("the Run that this Output belongs to has returned")

// Emit is part of [plugin.Output].
func (o *output) Emit(ctx context.Context, b event.Batch) error {
	defer o.tell()
	r := newReceipt(o.c, b)
	if ctx == nil {
		o.c.breaks(ruleContext, "Emit gets no context: give it that of Run")
		ctx = context.Background()
	}
	o.mu.Lock()
	if o.over {
		o.mu.Unlock()
		o.c.breaks(ruleAfterRun, "Emit is called after Run has returned")
		r.settle(errAfterRun)
		return errAfterRun
	}
	if o.blocks {
		o.blocked = true
		o.mu.Unlock()
		o.tell()
		select {
		case <-ctx.Done():
		case <-o.release:
		}
		r.settle(context.Canceled)
		return context.Canceled
	}
	for _, e := range b.Events {
		if e == nil {
			o.mu.Unlock()
			o.c.breaks(ruleOnce, "an event is nil")
			r.settle(errors.New("nil"))
			return nil
		}
	}
	if b.Ack != nil && o.acks[b.Ack] {
		o.c.breaks(ruleBatch, "two batches have one Ack: it says nothing of the second")
	}
	o.acks[b.Ack] = true
	n := len(o.took)
	for _, e := range b.Events {
		o.took = append(o.took, emitted{copyOf(e), r, o.ready > 0})
	}
	settle, err := o.verdict(n)
	o.mu.Unlock()
	if settle {
		r.settle(err)
	}
	return nil
}

// Gap is part of [plugin.Output].
func (o *output) Gap(reason string) {
	o.mu.Lock()
	over := o.over
	o.gaps = append(o.gaps, reason)
	o.mu.Unlock()
	if over {
		o.c.breaks(ruleAfterRun, "Gap is called after Run has returned")
	}
	if reason == "" {
		o.c.breaks(ruleGaps, "a gap has no reason")
	}
}

// ForwardGap is part of [plugin.Output].
func (o *output) ForwardGap(g plugin.Gap) {
	if o.state().over {
		o.c.breaks(ruleAfterRun, "ForwardGap is called after Run has returned")
	}
}

// ReportError is part of [plugin.Output].
func (o *output) ReportError(err error) {
	switch {
	case o.state().over:
		o.c.breaks(ruleAfterRun, "ReportError is called after Run has returned")
	case err == nil:
		o.c.breaks(ruleGaps, "ReportError gets nil as an error")
	}
}

// SetStalled is part of [plugin.Output].
func (o *output) SetStalled(string) {
	if o.state().over {
		o.c.breaks(ruleAfterRun, "SetStalled is called after Run has returned")
	}
}

// state is what an output has got so far.
type state struct {
	over, blocked bool
	ready         int
	took          []emitted
	gaps          []string
}

func (o *output) state() state {
	o.mu.Lock()
	defer o.mu.Unlock()
	return state{o.over, o.blocked, o.ready, o.took[:len(o.took):len(o.took)], append([]string(nil), o.gaps...)}
}

// await waits until done returns true for the state, which it is asked for with each news.
func (o *output) await(d time.Duration, done func(state) bool) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		if done(o.state()) {
			return true
		}
		select {
		case <-o.news:
		case <-late.C:
			return done(o.state())
		}
	}
}

// finish notes that Run has returned, and compares the events with what they were.
func (o *output) finish() {
	o.mu.Lock()
	o.over = true
	took := o.took
	o.mu.Unlock()
	o.unchanged(took)
	for _, e := range took {
		if !e.ready {
			o.c.breaks(ruleReady, "an event is emitted before Ready is called")
			return
		}
	}
}

// again begins a new Run.
func (o *output) again() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.ready, o.blocked = false, 0, false
}

func (o *output) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// unchanged compares events with what they were when they were emitted.
func (o *output) unchanged(took []emitted) {
	for k, e := range took {
		if text := e.changed(); text != "" {
			o.c.breaks(ruleFrozen, "event %d: %s", k, text)
			return
		}
	}
}
