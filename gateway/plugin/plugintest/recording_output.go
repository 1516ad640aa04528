package plugintest

import (
	"context"
	"errors"
	"sync"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// recordingOutput is a plugin.Output that records the events and gaps of a source, and checks each call.
type recordingOutput struct {
	c       *check
	answers bool   // the type has the capability AnswersSenders
	onReady func() // called by the first Ready; nil for none
	updates chan struct{}
	release chan struct{} // closed at the end of the rule, so that Emit blocks no longer

	mu        sync.Mutex
	returned  bool // Run has returned
	ready     int
	emitted   []emittedEvent
	acks      map[any]bool // of all batches
	gaps      []string
	blocking  bool // Emit blocks until its context ends
	blocked   bool // a call of Emit blocks now
	ackPolicy func(n int) (settle bool, err error)
}

// emittedEvent is one event that a source has emitted.
type emittedEvent struct {
	snapshot
	receipt *receipt // nil if the batch has none
	ready   bool     // Ready was called before Emit
}

func newRecordingOutput(c *check, answers bool) *recordingOutput {
	return &recordingOutput{c: c, answers: answers, updates: make(chan struct{}, 1), release: make(chan struct{}), acks: map[any]bool{}, ackPolicy: func(int) (bool, error) { return true, nil }}
}

func (o *recordingOutput) notify() {
	select {
	case o.updates <- struct{}{}:
	default:
	}
}

// Ready is part of [plugin.Output].
func (o *recordingOutput) Ready() {
	o.mu.Lock()
	returned := o.returned
	o.ready++
	first := o.ready == 1
	o.mu.Unlock()
	switch {
	case returned:
		o.c.addFinding(ruleAfterRun, "Ready is called after Run has returned")
	case !first:
		o.c.addFinding(ruleReady, "Ready is called twice in one Run")
	case o.onReady != nil:
		o.onReady()
	}
	o.notify()
}

var errAfterRun = errors.New("the call of Run has returned")

// Emit is part of [plugin.Output].
func (o *recordingOutput) Emit(ctx context.Context, b event.Batch) error {
	defer o.notify()
	if o.answers {
		o.c.addFinding(ruleTryEmit, "Emit is called by a type with the capability AnswersSenders: it blocks where there is no room; call TryEmit")
	}
	if ctx == nil {
		o.c.addFinding(ruleContext, "Emit gets a nil context: pass the context of Run")
		ctx = context.Background()
	}
	o.mu.Lock()
	if o.returned {
		o.mu.Unlock()
		o.c.addFinding(ruleAfterRun, "Emit is called after Run has returned: wait in Run for each goroutine that emits")
		newReceipt(o.c, b).settle(errAfterRun)
		return errAfterRun
	}
	if o.blocking {
		o.blocked = true
		o.mu.Unlock()
		o.notify()
		select {
		case <-ctx.Done():
		case <-o.release:
		}
		newReceipt(o.c, b).settle(context.Canceled)
		return context.Canceled
	}
	o.mu.Unlock()
	return o.record(b)
}

// record records a batch, and settles it as ackPolicy says.
func (o *recordingOutput) record(b event.Batch) error {
	r := newReceipt(o.c, b)
	o.mu.Lock()
	for _, e := range b.Events {
		if e == nil {
			o.mu.Unlock()
			o.c.addFinding(ruleEmitsOnce, "a batch has a nil event")
			r.settle(errors.New("nil"))
			return nil
		}
	}
	if b.Ack != nil && o.acks[b.Ack] {
		o.c.addFinding(ruleAcks, "two batches have the same Ack: make one for each batch")
	}
	o.acks[b.Ack] = true
	n := len(o.emitted)
	for _, e := range b.Events {
		o.emitted = append(o.emitted, emittedEvent{snapshotOf(e), r, o.ready > 0})
	}
	settle, err := o.ackPolicy(n)
	o.mu.Unlock()
	if settle {
		r.settle(err)
	}
	return nil
}

// Gap is part of [plugin.Output].
func (o *recordingOutput) Gap(reason string) {
	o.mu.Lock()
	returned := o.returned
	o.gaps = append(o.gaps, reason)
	o.mu.Unlock()
	if returned {
		o.c.addFinding(ruleAfterRun, "Gap is called after Run has returned")
	}
	if reason == "" {
		o.c.addFinding(ruleGaps, "a gap has no reason")
	}
}

// ForwardGap is part of [plugin.Output].
func (o *recordingOutput) ForwardGap(g plugin.Gap) {
	if o.state().returned {
		o.c.addFinding(ruleAfterRun, "ForwardGap is called after Run has returned")
	}
}

// ReportError is part of [plugin.Output].
func (o *recordingOutput) ReportError(err error) {
	switch {
	case o.state().returned:
		o.c.addFinding(ruleAfterRun, "ReportError is called after Run has returned")
	case err == nil:
		o.c.addFinding(ruleGaps, "ReportError gets a nil error")
	}
}

// SetStalled is part of [plugin.Output].
func (o *recordingOutput) SetStalled(string) {
	if o.state().returned {
		o.c.addFinding(ruleAfterRun, "SetStalled is called after Run has returned")
	}
}

// state is what an output has recorded so far. ready counts calls of Ready.
type state struct {
	returned, blocked bool
	ready             int
	emitted           []emittedEvent
	gaps              []string
}

func (o *recordingOutput) state() state {
	o.mu.Lock()
	defer o.mu.Unlock()
	return state{o.returned, o.blocked, o.ready, o.emitted[:len(o.emitted):len(o.emitted)], append([]string(nil), o.gaps...)}
}

// await waits until done returns true for the state, which is checked after each call of the source. It
// reports whether done did before d was over.
func (o *recordingOutput) await(d time.Duration, done func(state) bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		if done(o.state()) {
			return true
		}
		select {
		case <-o.updates:
		case <-timer.C:
			return done(o.state())
		}
	}
}

// endRun records that Run has returned, and checks the emitted events.
func (o *recordingOutput) endRun() {
	o.mu.Lock()
	o.returned = true
	emitted := o.emitted
	o.mu.Unlock()
	o.checkUnchanged(emitted)
	for _, e := range emitted {
		if !e.ready {
			o.c.addFinding(ruleReady, "an event is emitted before Ready is called")
			return
		}
	}
}

// reset prepares the output for another Run.
func (o *recordingOutput) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.returned, o.ready, o.blocked = false, 0, false
}

func (o *recordingOutput) update(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// checkUnchanged checks that events have not changed since Emit.
func (o *recordingOutput) checkUnchanged(emitted []emittedEvent) {
	for k, e := range emitted {
		if text := e.diff(); text != "" {
			o.c.addFinding(ruleEmittedUnchanged, "event %d: %s", k, text)
			return
		}
	}
}
