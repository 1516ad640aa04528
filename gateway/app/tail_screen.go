package app

import (
	"context"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// limitedSink returns a type whose sink writes n events as one of t with these options does, and then calls done.
func limitedSink(t plugin.SinkType, opts any, n int, done func()) plugin.SinkType {
	return plugin.NewSink("screen", t.Summary(), func() struct{} { return struct{}{} }, func(_ struct{}, env plugin.Env) (plugin.Sink, error) {
		inner, err := t.Build(opts, env)
		return &screen{Sink: inner, left: n, done: done}, err
	})
}

// screen is the sink of `gateway tail -n`.
type screen struct {
	plugin.Sink
	left int
	done func()
}

// Write is part of [plugin.Sink]. Events beyond the last one are not written.
func (s *screen) Write(ctx context.Context, events []*event.Event) error {
	if s.left == 0 {
		return nil
	}
	events = events[:min(len(events), s.left)]
	if err := s.Sink.Write(ctx, events); err != nil {
		return err
	}
	if s.left -= len(events); s.left == 0 {
		s.done()
	}
	return nil
}
