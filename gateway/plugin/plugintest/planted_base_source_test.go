package plugintest

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// lineOptions are the options of a source without faults.
type lineOptions struct {
	URL   options.URL    `koanf:"url" rule:"required,scheme=line" doc:"where the lines come from"`
	Token options.Secret `koanf:"token" doc:"is not used"`
	s     *lineServer
}

// lineHooks replace methods of lineSource; nil replaces none.
type lineHooks struct {
	instance func(*lineSource) plugin.Source
	run      func(s *lineSource, ctx context.Context, out plugin.Output) error
	emit     func(s *lineSource, out plugin.Output, ctx context.Context, b event.Batch) error
	ready    func(s *lineSource, out plugin.Output)
	close    func(s *lineSource, ctx context.Context) error
	save     func(s *lineSource, flight *inflight.PositionTracker[int], turn int) error
	replays  bool
	campaign func(s *lineSource, ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error)
}

// lineSource is a source without faults that reads lines.
type lineSource struct {
	o        lineOptions
	env      plugin.Env
	h        lineHooks
	runs     int
	returned atomic.Bool // Run has returned
}

func (s *lineSource) Run(ctx context.Context, out plugin.Output) error {
	s.runs++
	s.returned.Store(false)
	defer s.returned.Store(true)
	if s.h.run != nil {
		return s.h.run(s, ctx, out)
	}
	return s.run(ctx, out)
}

func (s *lineSource) connect(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(s.o.URL.Reveal()[strings.LastIndex(s.o.URL.Reveal(), "@")+1:], "line://"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.o.URL, err)
	}
	return conn, nil
}

func (s *lineSource) run(ctx context.Context, out plugin.Output) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return plugin.UnlessDone(ctx, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	fmt.Fprintln(conn, map[bool]string{true: "log", false: "listen"}[s.h.replays])
	in := bufio.NewScanner(conn)
	if !in.Scan() {
		return plugin.UnlessDone(ctx, cmp.Or(in.Err(), io.EOF))
	}
	if s.h.ready != nil {
		s.h.ready(s, out)
	} else {
		out.Ready()
	}
	flight, saved := inflight.NewPositionTracker(0), make(chan struct{})
	generation := s.o.s.generation()
	go func() { defer close(saved); s.saveAcks(ctx, flight, generation, cancel) }()
	defer func() { cancel(nil); <-saved }()
	for in.Scan() {
		b := s.batch(in.Text(), flight)
		if b.Events == nil {
			continue
		}
		emit := out.Emit
		if s.h.emit != nil {
			emit = func(ctx context.Context, b event.Batch) error { return s.h.emit(s, out, ctx, b) }
		}
		if err := emit(ctx, b); err != nil {
			break
		}
	}
	if cause := context.Cause(ctx); cause == errNacked {
		return cause
	}
	return plugin.UnlessDone(ctx, cmp.Or(in.Err(), io.EOF))
}

var errNacked = fmt.Errorf("an event was nacked")

// batch returns a batch with the event of a line.
func (s *lineSource) batch(line string, flight *inflight.PositionTracker[int]) event.Batch {
	e := &event.Event{Source: s.env.Name, Channel: "lines", Time: time.Now(), Data: []byte(line)}
	b := event.Batch{Events: []*event.Event{e}}
	if !s.h.replays {
		return b
	}
	id, payload, ok := strings.Cut(line, " ")
	n, err := strconv.Atoi(id)
	if !ok || err != nil {
		return event.Batch{}
	}
	e.ID, e.Data = id, []byte(payload)
	b.Ack = flight.Add(n+1, 1)
	return b
}

// saveAcks saves the cursor after each change until ctx ends, and once more then. A nack ends the Run.
func (s *lineSource) saveAcks(ctx context.Context, flight *inflight.PositionTracker[int], generation int, fail func(error)) {
	save := (*lineSource).save
	if s.h.save != nil {
		save = s.h.save
	}
	for {
		done := false
		select {
		case <-ctx.Done():
			done = true
		case <-flight.Changed:
		}
		if err := save(s, flight, generation); err != nil {
			fail(err)
		}
		if done {
			return
		}
	}
}

func (s *lineSource) save(flight *inflight.PositionTracker[int], generation int) error {
	s.o.s.ack(generation, flight.Acked())
	if _, failed := flight.State(); failed != nil {
		return errNacked
	}
	return nil
}

func (s *lineSource) Close(ctx context.Context) error {
	if s.h.close != nil {
		return s.h.close(s, ctx)
	}
	return nil
}

func lineType(h lineHooks) plugin.SourceType {
	typ := plugin.NewSource("lines", "Reads lines.", func() lineOptions { return lineOptions{} }, func(o lineOptions, env plugin.Env) (plugin.Source, error) {
		s := &lineSource{o: o, env: env, h: h}
		if h.instance != nil {
			return h.instance(s), nil
		}
		if h.campaign != nil {
			return &electing{s}, nil
		}
		return s, nil
	})
	if h.replays {
		typ = typ.With(plugin.Replays)
	}
	if h.campaign != nil {
		typ = typ.With(plugin.ElectsLeader)
	}
	return typ
}

func lineHarness(t testing.TB, typ plugin.SourceType) SourceHarness {
	server := newLineServer(t)
	return SourceHarness{
		Type: typ,
		Reachable: func(o any) {
			server.reset()
			if l, ok := o.(*lineOptions); ok {
				l.URL, l.s = options.NewURL("line://"+server.addr), server
			}
		},
		Unreachable: func(o any) {
			if l, ok := o.(*lineOptions); ok {
				l.URL, l.s = options.NewURL("line://127.0.0.1:1"), server
			}
		},
		Send:       func(_ testing.TB, payloads ...string) { server.send(payloads...) },
		Disconnect: func(testing.TB) { server.cut() },
		TakeLock:   func(testing.TB) { server.revokeLocks() },
	}
}

func faultlessSource(t testing.TB) []rule {
	return sourceRules(lineHarness(t, lineType(lineHooks{campaign: (*lineSource).campaign})))
}
func faultlessReplayingSource(t testing.TB) []rule {
	return sourceRules(lineHarness(t, lineType(lineHooks{replays: true})))
}

// sourceFault returns a source with one fault, which a rule has to find.
func sourceFault(name, broken string, h lineHooks) planted {
	return planted{name: "source: " + name, rule: broken, rules: func(t testing.TB) []rule { return sourceRules(lineHarness(t, lineType(h))) }}
}
