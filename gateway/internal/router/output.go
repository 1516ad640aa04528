package router

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// output is the plugin.Output of one run of a source. Its lock gives the order to what goroutines
// of the plugin do at the same time.
type output struct {
	s     *source
	mu    *sync.Mutex // the source's: of all runs
	ready bool
	over  atomic.Bool // Run has returned

	gapped bool  // the plugin has reported a gap
	term   *flag // of the receipts: set when the leadership is lost; nil where every gateway captures
}

var (
	errAfterRun   = errors.New("the plugin has called Emit after Run has returned")
	errLateReady  = errors.New("the plugin has called Ready after Run has returned")
	errLateGap    = errors.New("the plugin has called Gap or PassOn after Run has returned")
	errReadyTwice = errors.New("the plugin has called Ready twice in one Run")
)

// Ready is part of [plugin.Output].
func (o *output) Ready() {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.over.Load():
		o.s.slip(errLateReady)
	case o.ready:
		o.s.slip(errReadyTwice)
	default:
		o.ready = true
		o.s.captures(o.gapped)
	}
}

// Emit is part of [plugin.Output].
func (o *output) Emit(ctx context.Context, b event.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.s.emit(ctx, b, o)
}

// Gap is part of [plugin.Output].
func (o *output) Gap(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.late()
	o.gapped = true
	o.s.gap(reason)
}

// PassOn is part of [plugin.Output].
func (o *output) PassOn(g plugin.Gap) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.late()
	o.s.passOn(g)
}

// late notes a gap that is reported after Run has returned. It is passed on all the same.
func (o *output) late() {
	if o.over.Load() {
		o.s.slip(errLateGap)
	}
}

// Note is part of [plugin.Output].
func (o *output) Note(err error) { o.s.health.note(o.s.redactor.Error(err)) }

// Stalled is part of [plugin.Output].
func (o *output) Stalled(reason string) { o.s.stalled(o.s.redactor.Text(reason)) }

var _ plugin.Output = (*output)(nil)
