// Package exec is the source exec: a program in any language emits the events, as a child process of the gateway.
package exec

import (
	"context"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

// Options of the source.
type Options struct {
	childproc.Config
	Settings
	Declared
}

// Settings are the options that a program with a manifest has as well.
type Settings struct {
	InFlight int `koanf:"in_flight" rule:"min=1,max=10000000" doc:"maximum of events in flight with acks: true"`
}

// Declared are the capabilities of a program without a manifest.
type Declared struct {
	Acks bool `koanf:"acks" doc:"the program resumes behind what was acked: by the state that it gets at its start, or by the acks that it reads"`
}

// Capabilities is part of [plugin.CapabilityOptions].
func (o *Options) Capabilities() []plugin.Capability {
	if o.Acks {
		return []plugin.Capability{plugin.Replays, plugin.KeepsState}
	}
	return nil
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) { o.Config.Check(report) }

func defaults() Options {
	return Options{Config: childproc.Config{Limits: childproc.Defaults()}, Settings: Settings{InFlight: 10_000}}
}

// Type describes the source.
func Type() plugin.SourceType {
	return plugin.NewSource("exec", "Emits events by a program in any language.", defaults, build).WithOptional(plugin.Replays, plugin.KeepsState)
}

// Program returns the type of a source with a manifest.
func Program(m childproc.Manifest) plugin.SourceType {
	d := defaults()
	t := plugin.NewDynamic(plugin.KindSource, m.Name, m.Summary, m.Defaults(&d.Limits, &d.Settings), func(opts any, env plugin.Env) (plugin.Source, error) {
		o := Options{Declared: Declared{Acks: m.Has(childproc.Acks)}}
		var limits childproc.Limits
		o.Config = m.Config(opts, &limits, &o.Settings)
		o.Limits = limits
		return build(o, env)
	})
	if m.Has(childproc.Acks) {
		t = t.With(plugin.Replays, plugin.KeepsState)
	}
	return t
}

func build(o Options, env plugin.Env) (plugin.Source, error) {
	program, err := childproc.NewProgram(plugin.KindSource, o.Config, env)
	if err != nil {
		return nil, err
	}
	return &source{opts: o, name: env.Name, store: env.State, program: program}, nil
}

// position is the number of a batch, and the state with which the program resumes behind it.
type position struct {
	seq   uint64
	state []byte // JSON; nil: none
}

type source struct {
	opts    Options
	name    string
	store   plugin.State
	program *childproc.Program

	// tracker is that of the latest Run; nil before the first one.
	tracker *inflight.PositionTracker[position]
	saved   []byte // the state that is stored
}

// Probe is part of [plugin.Prober].
func (s *source) Probe(context.Context) []plugin.Finding { return s.program.Probe() }

// Close is part of [plugin.Closer].
func (s *source) Close(ctx context.Context) error {
	if s.tracker == nil { // Run was never called
		return nil
	}
	return s.save(ctx, s.tracker.Acked().state)
}
