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
	MaxDeliveries int `koanf:"max_deliveries" rule:"min=1,max=1000" doc:"how often an event is written during which the program ends or hangs, before it is a dead letter"`
}

// Declared are the options that say what the program can do, in place of a manifest.
type Declared struct {
	Gaps    bool `koanf:"gaps" doc:"tell the program of gaps"`
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
	return plugin.NewSink("exec", "Has a program in any language deliver events.", defaults, build).WithOptional(plugin.Durable)
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

	mu       sync.Mutex // of what follows: a call may come late, after Close
	dialogue *childproc.Dialogue
	// suspects are the events of batches during which a process has ended, and how often that happened to each alone. They are
	// written alone.
	suspects map[*event.Event]int
}

// Open is part of [plugin.Opener].
func (s *sink) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogue.Open(ctx)
}

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

// gapSink is a sink that tells its program of gaps.
type gapSink struct{ *sink }

// Gap is part of [plugin.GapSink].
func (s *gapSink) Gap(ctx context.Context, g plugin.Gap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.dialogue.Open(ctx); err != nil {
		return err
	}
	return s.dialogue.Tell(ctx, childproc.AppendGap(nil, g))
}
