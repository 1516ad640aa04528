package router

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/settle"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

type none struct{}

// sourceFunc is a source made of its Run.
type sourceFunc func(ctx context.Context, out plugin.Output) error

func (f sourceFunc) Run(ctx context.Context, out plugin.Output) error { return f(ctx, out) }

// sinkFunc is a sink made of its Write.
type sinkFunc func(ctx context.Context, events []*event.Event) error

func (f sinkFunc) Write(ctx context.Context, events []*event.Event) error { return f(ctx, events) }

// tells is an Owner of acks that are told to functions.
type tells struct {
	settled func(error)
	tried   func(int, time.Time)
}

func (f tells) Settled(err error) { f.settled(err) }

func (f tells) AttemptFailed(attempts int, last time.Time) { f.tried(attempts, last) }

// ackTo makes an Ack that is told to settled.
func ackTo(settled func(error)) *settle.Ack { return ackAnd(settled, func(int, time.Time) {}) }

// ackAnd makes an Ack of which failed attempts are told to tried.
func ackAnd(settled func(error), tried func(int, time.Time)) *settle.Ack {
	a := &settle.Ack{}
	a.Init(tells{settled, tried}, nil)
	return a
}

func sourceSpec(name string, s plugin.Source) SourceSpec {
	t := plugin.NewSource("test", "", func() none { return none{} }, func(none, plugin.Env) (plugin.Source, error) { return s, nil })
	if _, ok := s.(plugin.Elector); ok {
		t = t.With(plugin.ElectsLeader)
	}
	return SourceSpec{Name: name, Type: t, Options: t.Defaults()}
}

func sinkSpec(name string, s plugin.Sink, set func(*delivery.Options)) SinkSpec {
	t := plugin.NewSink("test", "", func() none { return none{} }, func(none, plugin.Env) (plugin.Sink, error) { return s, nil })
	d := delivery.DefaultOptions()
	if set != nil {
		set(&d)
	}
	return SinkSpec{Name: name, Type: t, Options: t.Defaults(), Delivery: d}
}

type transformFunc func(e *event.Event, emit func(*event.Event)) error

func (f transformFunc) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	return f(e, emit)
}

func transformSpec(f transformFunc) TransformSpec {
	t := plugin.NewTransform("test", "", func() none { return none{} }, func(none, plugin.Env) (plugin.Transform, error) { return f, nil })
	return TransformSpec{Name: "t", Type: t, Options: t.Defaults()}
}

// emits is a source that emits n events, each in a batch of its own, and then
// waits for the end. settled, which may be nil, is told of each batch.
func emits(n int, settled func(error)) plugin.Source {
	return sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		for i := range n {
			b := event.Batch{Events: []*event.Event{{Source: "in", Time: time.Now(), Data: fmt.Append(nil, i)}}}
			if settled != nil {
				b.Ack = ackTo(settled)
			}
			if err := out.Emit(ctx, b); err != nil {
				return plugin.UnlessDone(ctx, err)
			}
		}
		<-ctx.Done()
		return nil
	})
}

// started is a router under way; stop ends it and checks the conservation law.
type started struct {
	*Router
	plan *Plan
	stop func() error
}

func newRouter(t testing.TB) *Router {
	return New(slog.New(slog.NewTextHandler(t.Output(), nil)))
}

func start(t testing.TB, g Graph) *started {
	t.Helper()
	return startOn(t, newRouter(t), g)
}

func startOn(t testing.TB, r *Router, g Graph) *started {
	t.Helper()
	g.DrainTimeout = 10 * time.Second
	p, err := r.Plan(g, table{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, p) }()
	return &started{r, p, func() error {
		cancel()
		err := <-ended
		if err := r.Status().ConservedAtRest(); err != nil {
			t.Errorf("conservation: %v", err)
		}
		return err
	}}
}

func routeTo(to ...string) []RouteSpec {
	return []RouteSpec{{Name: "r", From: []string{"in"}, To: to}}
}

func texts(events []*event.Event) (out []string) {
	for _, e := range events {
		out = append(out, string(e.Data))
	}
	return out
}

// latestLetters returns the dead letters of a router, the oldest first, and how many there were in all.
func latestLetters(r *Router) (list []letters.Letter, total uint64) {
	page, err := r.DeadLetters().Search(context.Background(), letters.Query{Limit: letters.MaxLimit})
	if err != nil {
		panic(err)
	}
	return page.Letters, r.DeadLetters().Status().Total
}
