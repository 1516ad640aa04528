// Package exec is the sink exec: a program in any language delivers the events, as a child process of the gateway.
package exec

import (
	"context"
	"sync"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Options of the sink.
type Options struct {
	childproc.Config
	Settings
	Declared
}

// Settings are the options that a program with a manifest has as well.
type Settings struct {
	MaxDeliveries int `koanf:"max_deliveries" rule:"min=1,max=1000" doc:"writes of an event during which the program has ended or hung, before the event is a dead letter"`
}

// Declared are the capabilities of a program without a manifest.
type Declared struct {
	Gaps    bool `koanf:"gaps" doc:"send gaps to the program"`
	Durable bool `koanf:"durable" doc:"the program has stored events when it acks them, so this may be the dead_letter sink of a source that replays"`
}

// Capabilities is part of [plugin.CapabilityOptions].
func (o *Options) Capabilities() []plugin.Capability {
	if o.Durable {
		return []plugin.Capability{plugin.Durable}
	}
	return nil
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) { o.Config.Check(report) }

func defaults() Options {
	return Options{Config: childproc.Config{Limits: childproc.Defaults()}, Settings: Settings{MaxDeliveries: 5}}
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("exec", "Delivers events by a program in any language.", defaults, build).WithOptional(plugin.Durable)
}

// Program returns the type of a sink with a manifest.
func Program(m childproc.Manifest) plugin.SinkType {
	d := defaults()
	t := plugin.NewDynamic(plugin.KindSink, m.Name, m.Summary, m.Defaults(&d.Limits, &d.Settings), func(opts any, env plugin.Env) (plugin.Sink, error) {
		o := Options{Declared: Declared{Gaps: m.Has(childproc.Gaps)}}
		var limits childproc.Limits
		o.Config = m.Config(opts, &limits, &o.Settings)
		o.Limits = limits
		return build(o, env)
	})
	if m.Has(childproc.Durable) {
		t = t.With(plugin.Durable)
	}
	return t
}

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	program, err := childproc.NewProgram(plugin.KindSink, o.Config, env)
	if err != nil {
		return nil, err
	}
	s := &sink{opts: o, dialogue: childproc.NewDialogue(program), suspects: map[*event.Event]int{}}
	if o.Gaps {
		return &gapSink{s}, nil
	}
	return s, nil
}

// sink writes one batch after the other to its process.
type sink struct {
	opts Options

	mu       sync.Mutex // guards the fields below; a call may come after Close
	dialogue *childproc.Dialogue
	// suspects has the events of batches during which a process has ended, and how often one has ended on each event alone. Each
	// suspect is written alone.
	suspects map[*event.Event]int
}

// Open is part of [plugin.Opener].
func (s *sink) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogue.Open(ctx)
}

// Probe is part of [plugin.Prober].
func (s *sink) Probe(context.Context) []plugin.Finding { return s.dialogue.Program().Probe() }

// Ping is part of [plugin.Pinger].
func (s *sink) Ping(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return plugin.Unavailable(s.dialogue.Err())
}

// Close is part of [plugin.Closer].
func (s *sink) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogue.Close(ctx)
}

// gapSink is a sink that sends gaps to its program.
type gapSink struct{ *sink }

// Gap is part of [plugin.GapSink].
func (s *gapSink) Gap(ctx context.Context, g plugin.Gap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.dialogue.Open(ctx); err != nil {
		return err
	}
	return s.dialogue.Send(ctx, childproc.AppendGap(nil, g))
}
