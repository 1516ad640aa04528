package plugintest

import (
	"context"
	"errors"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// SourceHarness says how to test one source.
type SourceHarness struct {
	Type plugin.SourceType
	// Reachable sets options with which the source connects; Unreachable such
	// with which nobody answers.
	Reachable, Unreachable func(opts any)
	// Send makes the world send payloads that the source must see.
	Send func(t *testing.T, payloads ...string)
	// Break breaks the source's connection.
	Break func(t *testing.T)
	// Replays says that what was sent while the source was away still comes: then
	// it need not report a gap.
	Replays bool
	// Unseat takes the lock away from whoever leads, for types with the trait Elects.
	Unseat func(t *testing.T)
}

// Source runs the suite on a source.
func Source(t *testing.T, h SourceHarness) {
	t.Run("documented", func(t *testing.T) { documented(t, h.Type) })
	t.Run("unreachable", func(t *testing.T) { // built without I/O; Run says what is wrong, and does not hang
		s := build(t, h.Type, h.Unreachable, Env(t))
		out := newRecorder()
		if err := within(t, func() error { return s.Run(t.Context(), out) }); err == nil {
			t.Error("Run returned nil although nobody answers")
		}
		if out.isReady() {
			t.Error("Ready was called although nobody answers")
		}
	})
	t.Run("emits", func(t *testing.T) {
		r := startSource(t, h)
		h.Send(t, "one", "two", "three")
		for _, want := range []string{"one", "two", "three"} {
			e := r.out.next(t)
			if string(e.Data) != want || e.Source != Name || e.Channel == "" || time.Since(e.Time).Abs() > time.Minute {
				t.Errorf("got %+v with %q, want %q", e, e.Data, want)
			}
		}
		if err := r.end(t); err != nil {
			t.Errorf("Run returned %v when ctx ended, want nil", err)
		}
	})
	t.Run("comes back", func(t *testing.T) {
		r := startSource(t, h)
		h.Break(t)
		if err := within(t, func() error { return <-r.ended }); err == nil {
			t.Error("Run returned nil when the connection broke")
		}
		r.run(t)
		if gaps := r.out.gapCount(); gaps == 0 && !h.Replays {
			t.Error("no Gap before the second Ready")
		}
		h.Send(t, "after")
		if e := r.out.next(t); string(e.Data) != "after" {
			t.Errorf("got %q", e.Data)
		}
		if err := r.end(t); err != nil {
			t.Errorf("Run returned %v when ctx ended, want nil", err)
		}
	})
	t.Run("ends while Emit blocks", func(t *testing.T) {
		r := startSource(t, h)
		r.out.blocked = make(chan struct{}, 1)
		h.Send(t, "one")
		select {
		case <-r.out.blocked:
		case <-time.After(wait):
			t.Fatal("nothing was emitted")
		}
		if err := r.end(t); err != nil {
			t.Errorf("Run returned %v when ctx ended, want nil", err)
		}
	})
	if h.Type.Has(plugin.Elects) {
		t.Run("elects a leader", func(t *testing.T) { elects(t, h) })
	}
}

// runningSource is a source whose Run is under way.
type runningSource struct {
	impl   plugin.Source
	out    *recorder
	cancel context.CancelFunc
	ended  chan error
}

func startSource(t *testing.T, h SourceHarness) *runningSource {
	t.Helper()
	r := &runningSource{impl: build(t, h.Type, h.Reachable, Env(t)), out: newRecorder()}
	r.run(t)
	return r
}

// run calls Run and waits until it is ready.
func (r *runningSource) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r.cancel, r.ended, r.out.ready = cancel, make(chan error, 1), make(chan struct{})
	go func() { r.ended <- r.impl.Run(ctx, r.out) }()
	select {
	case <-r.out.ready:
	case err := <-r.ended:
		t.Fatalf("Run: %v", err)
	case <-time.After(wait):
		t.Fatal("Ready is never called")
	}
}

func (r *runningSource) end(t *testing.T) error {
	t.Helper()
	r.cancel()
	return within(t, func() error { return <-r.ended })
}

var errHangs = errors.New("hangs")

// within fails the test where f takes too long.
func within(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(wait):
		t.Fatal(errHangs)
		return nil
	}
}

// recorder is a plugin.Output that keeps what it gets. Its fields are set before
// Run, or before anything is sent.
type recorder struct {
	ready   chan struct{}
	events  chan *event.Event
	gaps    chan string
	blocked chan struct{} // not nil: Emit says so here and blocks until ctx ends
}

func newRecorder() *recorder {
	return &recorder{ready: make(chan struct{}), events: make(chan *event.Event, 1000), gaps: make(chan string, 1000)}
}

func (r *recorder) Ready()            { close(r.ready) }
func (r *recorder) Gap(reason string) { r.gaps <- reason }
func (r *recorder) gapCount() int     { return len(r.gaps) }

func (r *recorder) isReady() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

func (r *recorder) Emit(ctx context.Context, b event.Batch) error {
	if r.blocked != nil {
		r.blocked <- struct{}{}
		<-ctx.Done()
		if b.Ack != nil {
			b.Ack(ctx.Err())
		}
		return ctx.Err()
	}
	for _, e := range b.Events {
		r.events <- e
	}
	if b.Ack != nil {
		b.Ack(nil)
	}
	return nil
}

func (r *recorder) next(t *testing.T) *event.Event {
	t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(wait):
		t.Fatal("no event")
		return nil
	}
}
