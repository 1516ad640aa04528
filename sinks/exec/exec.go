// Package exec is the sink exec: a program in any language delivers the events, as a child process of the gateway.
package exec

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// Options of the sink.
type Options struct {
	childproc.Config
	Settings
}

// Settings are the options that a program with a manifest has as well.
type Settings struct {
	MaxDeliveries int  `koanf:"max_deliveries" rule:"min=1,max=1000" doc:"how often an event is written during which the program ends or hangs, before it is a dead letter"`
	Gaps          bool `koanf:"gaps" doc:"tell the program of gaps"`
	Durable       bool `koanf:"durable" doc:"the program has stored events when it acks them, so this may be the dead_letter sink of a source that replays"`
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
	return Options{childproc.Config{Limits: childproc.Defaults()}, Settings{MaxDeliveries: 5}}
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("exec", "Has a program in any language deliver events.", defaults, build).WithOptional(plugin.Durable)
}

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	program, err := childproc.NewProgram(plugin.KindSink, o.Config, env)
	if err != nil {
		return nil, err
	}
	s := &sink{opts: o, program: program, suspects: map[*event.Event]int{}}
	if o.Gaps {
		return &gapSink{s}, nil
	}
	return s, nil
}

// sink writes one batch after the other to its process.
type sink struct {
	opts    Options
	program *childproc.Program

	mu      sync.Mutex // of what follows: a call may come late, after Close
	closed  bool
	process *childproc.Process // nil: there is none
	replies chan childproc.Message
	pending *atomic.Uint64 // the number of the batch under way; 0: none
	seq     uint64
	line    []byte // scratch
	// suspects are the events of batches during which a process has ended, and how often that happened to each alone. They are
	// written alone.
	suspects map[*event.Event]int
}

// Open is part of [plugin.Opener].
func (s *sink) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open(ctx)
}

// open starts a process if there is none.
func (s *sink) open(ctx context.Context) error {
	if s.closed {
		return plugin.Unavailable(errClosed)
	}
	if s.process != nil && s.process.Err() == nil {
		return nil
	}
	replies, pending := make(chan childproc.Message, 1), &atomic.Uint64{}
	process, err := s.program.Start(ctx, func(line []byte) error { return receive(line, pending, replies) })
	if err != nil {
		return err
	}
	s.process, s.replies, s.pending = process, replies, pending
	return nil
}

var errClosed = errors.New("the sink was closed")

// receive passes an answer on to Write. It is called in the goroutine that reads the output.
func receive(line []byte, pending *atomic.Uint64, replies chan<- childproc.Message) error {
	m, err := childproc.Parse(line)
	if err != nil {
		return err
	}
	n := m.Ack
	if n == nil {
		n = m.Nack
	}
	switch {
	case n == nil:
		return childproc.Violation("a sink has emitted something: answer batches by ack or nack")
	case m.Events != nil || m.State != nil:
		return childproc.Violation("a sink has answered with events or a state")
	case *n == 0 || !pending.CompareAndSwap(*n, 0):
		return childproc.Violation("it has answered batch %d, which was not sent, or was answered before", *n)
	}
	replies <- m // there is room, because one batch is under way
	return nil
}

// Ping is part of [plugin.Pinger].
func (s *sink) Ping(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	return plugin.Unavailable(s.process.Err())
}

// Close is part of [plugin.Closer].
func (s *sink) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	return p.Stop(ctx)
}

// gapSink is a sink that tells its program of gaps.
type gapSink struct{ *sink }

// Gap is part of [plugin.GapSink].
func (s *gapSink) Gap(ctx context.Context, g plugin.Gap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.process.Write(ctx, childproc.AppendGap(nil, g)); err != nil {
		return plugin.Unavailable(err)
	}
	return nil
}
