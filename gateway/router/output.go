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
}

var (
	errAfterRun   = errors.New("the plugin has called Emit after Run has returned")
	errLateReady  = errors.New("the plugin has called Ready after Run has returned")
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
		o.s.captures()
	}
}

// Emit is part of [plugin.Output].
func (o *output) Emit(ctx context.Context, b event.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.s.emit(ctx, b, o.over.Load())
}

// Gap is part of [plugin.Output].
func (o *output) Gap(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.s.gap(reason)
}

// PassOn is part of [plugin.Output].
func (o *output) PassOn(g plugin.Gap) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.s.passOn(g)
}

// Note is part of [plugin.Output].
func (o *output) Note(err error) { o.s.health.note(o.s.redactor.Error(err)) }

// Stalled is part of [plugin.Output].
func (o *output) Stalled(reason string) { o.s.stalled(o.s.redactor.Text(reason)) }

var _ plugin.Output = (*output)(nil)
