package router

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/plugin"
)

// output is the plugin.Output of one run of a source. Its lock orders the calls of several goroutines.
type output struct {
	s     *source
	ctx   context.Context // of the run
	run   *ack.Run
	mu    *sync.Mutex // the source's, shared by all runs
	ready bool
	over  atomic.Bool // Run has returned

	gapReported bool // the plugin has reported a gap
}

var (
	errAfterRun   = errors.New("the plugin has called Emit after Run has returned")
	errLateReady  = errors.New("the plugin has called Ready after Run has returned")
	errLateGap    = errors.New("the plugin has called Gap or ForwardGap after Run has returned")
	errReadyTwice = errors.New("the plugin has called Ready twice in one Run")
)

// Ready is part of [plugin.Output].
func (o *output) Ready() {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.over.Load():
		o.s.violation(errLateReady)
	case o.ready:
		o.s.violation(errReadyTwice)
	default:
		o.ready = true
		o.s.ready(o.gapReported)
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
	o.checkGapOver()
	o.gapReported = true
	o.s.gap(reason)
}

// ForwardGap is part of [plugin.Output].
func (o *output) ForwardGap(g plugin.Gap) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checkGapOver()
	o.s.passOn(g)
}

// checkGapOver records a gap that is reported after Run has returned. It is passed on all the same.
func (o *output) checkGapOver() {
	if o.over.Load() {
		o.s.violation(errLateGap)
	}
}

// ReportError is part of [plugin.Output].
func (o *output) ReportError(err error) { o.s.Health.Failed(o.s.Redactor.Error(err)) }

// SetStalled is part of [plugin.Output].
func (o *output) SetStalled(reason string) { o.s.stalled(o.s.Redactor.Text(reason)) }

var _ plugin.Output = (*output)(nil)
