// Package generate is the source generate: it makes synthetic events, for demonstrations, load and
// tests, and redelivers those that were not acked.
package generate

import (
	"context"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the source.
type Options struct {
	Rate     int           `koanf:"rate" rule:"min=0,max=10000000" doc:"events per second; 0 is as many as the routes accept"`
	Count    int           `koanf:"count" rule:"min=0" doc:"events in all; 0 is without end"`
	Size     options.Size  `koanf:"size" rule:"max=16MiB" doc:"bytes of each payload, which is padded to it; 0 is as short as it gets"`
	Template expr.Template `koanf:"template" doc:"payload, in which number counts the events from 0: '{\"order\":{\"id\":{{ number }}}}'; without it {\"number\":0}, and so on"`
	InFlight int           `koanf:"in_flight" rule:"min=1,max=10000000" doc:"maximum of events in flight"`
	Position string        `koanf:"position" doc:"file that stores the position, so that a restart resumes there; without it each start begins with 0"`
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if o.Size > 0 && !o.Template.IsZero() {
		report("size", "pads the payload that there is without template: leave one of them out")
	}
}

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("generate", "Makes synthetic events, and redelivers them until they are acked.",
		func() Options { return Options{Rate: 1, InFlight: 10_000} },
		func(o Options, env plugin.Env) (plugin.Source, error) {
			return &source{opts: o, name: env.Name, tracker: inflight.NewPositionTracker(int64(0))}, nil
		}).With(plugin.Replays)
}

type source struct {
	opts    Options
	name    string
	eval    expr.Evaluator
	tracker *inflight.PositionTracker[int64] // of the latest Run: the number of the next event
	saved   int64                            // the position in the file: only the goroutine of Run, and Close after it
	loaded  bool
}

// Close is part of [plugin.Closer].
func (s *source) Close(context.Context) error {
	if !s.loaded { // Run was never called
		return nil
	}
	return s.savePosition()
}
