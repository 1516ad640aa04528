// Package exec is the transform exec: a program in any language transforms the events, as a child process of the gateway.
package exec

import (
	"context"
	"sync"
	"time"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	childproc.Config
	Settings
	Declared
}

// Settings are the options that a program with a manifest has as well.
type Settings struct {
	Timeout       options.Duration `koanf:"timeout" rule:"min=1ms,max=10m" doc:"most time for one line of events"`
	MaxBatch      int              `koanf:"max_batch" rule:"min=1,max=100000" doc:"most events in one line; 1 for a program that takes one event at a time"`
	MaxDeliveries int              `koanf:"max_deliveries" rule:"min=1,max=1000" doc:"deliveries of an event during which the program has ended or hung, before on_error decides about the event"`
}

// Declared are the capabilities of a program without a manifest.
type Declared struct {
	Stateful     bool `koanf:"stateful" doc:"the result depends on earlier events or on the time, so this cannot be before a sink that takes its history from a source"`
	Deduplicates bool `koanf:"deduplicates" doc:"the program drops events that it has seen before, so this cannot follow a source that replays"`
}

// Capabilities is part of [plugin.CapabilityOptions].
func (o *Options) Capabilities() (all []plugin.Capability) {
	if o.Stateful {
		all = append(all, plugin.Stateful)
	}
	if o.Deduplicates {
		all = append(all, plugin.Deduplicates)
	}
	return all
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) { o.Config.Check(report) }

func defaults() Options {
	return Options{Config: childproc.Config{Limits: childproc.Defaults()}, Settings: Settings{Timeout: options.Duration(10 * time.Second), MaxBatch: 512, MaxDeliveries: 3}}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("exec", "Transforms events by a program in any language.", defaults, build).WithOptional(plugin.Stateful, plugin.Deduplicates)
}

// Program returns the type of a transform with a manifest.
func Program(m childproc.Manifest) plugin.TransformType {
	d := defaults()
	t := plugin.NewDynamic(plugin.KindTransform, m.Name, m.Summary, m.Defaults(&d.Limits, &d.Settings), func(opts any, env plugin.Env) (plugin.Transform, error) {
		var o Options
		var limits childproc.Limits
		o.Config = m.Config(opts, &limits, &o.Settings)
		o.Limits = limits
		return build(o, env)
	})
	for name, capability := range map[string]plugin.Capability{childproc.Stateful: plugin.Stateful, childproc.Deduplicates: plugin.Deduplicates} {
		if m.Has(name) {
			t = t.With(capability)
		}
	}
	return t
}

func build(o Options, env plugin.Env) (plugin.Transform, error) {
	program, err := childproc.NewProgram(plugin.KindTransform, o.Config, env)
	if err != nil {
		return nil, err
	}
	return &transform{opts: o, maxSearch: maxSearch, dialogue: childproc.NewDialogue(program)}, nil
}

// transform sends events to its process: those of a batch at once, if the router announces them by Prepare.
type transform struct {
	opts      Options
	maxSearch time.Duration // shorter in tests

	mu       sync.Mutex // guards the fields below; a call may come after Close
	dialogue *childproc.Dialogue
	prepared []*event.Event // the events of results
	results  []result
}

// result has the events that were made of one event.
type result struct {
	events []*event.Event
	err    error
}

// Prepare is part of [plugin.Preparer].
func (t *transform) Prepare(ctx context.Context, events []*event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prepared = append(t.prepared[:0], events...)
	t.results = t.ask(ctx, events)
}

// Apply is part of [plugin.Transform].
func (t *transform) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.prepared) == 0 || t.prepared[0] != e {
		t.prepared = append(t.prepared[:0], e)
		t.results = t.ask(ctx, t.prepared)
	}
	r := t.results[0]
	t.prepared[0] = nil
	t.prepared, t.results = t.prepared[1:], t.results[1:]
	if r.err != nil {
		return r.err
	}
	for _, made := range r.events {
		emit(made)
	}
	return nil
}

// Probe is part of [plugin.Prober].
func (t *transform) Probe(context.Context) []plugin.Finding { return t.dialogue.Program().Probe() }

// Close is part of [plugin.Closer].
func (t *transform) Close(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dialogue.Close(ctx)
}
