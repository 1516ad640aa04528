package delivery

import (
	"context"
	"fmt"
	"slices"

	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/plugin"
)

// guard calls a method of the plugin, f, with the sink's timeout, and returns a panic as an error.
func (s *Sink) guard(method component.Method, timer *component.CallTimer, f func(context.Context) error) (err error) {
	ctx := newCallContext(s.writing, s.Options.Timeout.D())
	defer ctx.end()
	timer.Begin(method, ctx.deadline)
	defer timer.End()
	defer func() {
		if p := recover(); p != nil {
			err = plugin.Permanent(s.Redactor.Error(&component.PanicError{Value: p}))
			s.Health.Panicked(p)
		}
	}()
	if err = s.Redactor.Error(f(ctx)); err != nil && ctx.Err() != nil && s.writing.Err() == nil {
		return fmt.Errorf("gave up after timeout %v: %w", s.Options.Timeout, err)
	}
	if component.IsPanic(err) { // of a goroutine of the plugin
		return plugin.Permanent(err)
	}
	return err
}

// write writes items. The guard covers the evaluation of the result, too: an error
// of a plugin's own type may panic.
func (w *worker) write(items []queue.Item) (r result) {
	s := w.sink
	w.events = w.events[:0]
	for _, it := range items {
		w.events = append(w.events, it.Event)
	}
	defer clear(w.events)
	r.span = s.Tracing.Tracer().Writes(s.Name, w.events)
	r.err = s.call(component.Write, w.timer, func(ctx context.Context) error {
		if r.span != nil {
			ctx = plugin.WithTraceParent(ctx, r.span.TraceParent())
		}
		if w.reports != nil {
			ctx = plugin.WithAttempts(ctx, w.report)
		}
		err := s.Impl.Write(ctx, w.events)
		if err == nil {
			return nil
		}
		each, perEvent := plugin.Outcomes(err, len(items))
		if !perEvent {
			return each[0]
		}
		for i, err := range each {
			each[i] = s.Redactor.Error(err)
		}
		r.each, r.perEvent = each, true
		return err
	})
	if r.err != nil && !r.perEvent {
		r.each = slices.Repeat([]error{r.err}, len(items))
	}
	return r
}
