package plugintest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// SourceHarness says how to test one source.
type SourceHarness struct {
	Type plugin.SourceType
	// Reachable sets options with which the source connects; Unreachable such
	// with which nobody answers, nil where a source needs nobody.
	Reachable, Unreachable func(opts any)
	// Send makes the world send payloads that the source must see; nil where events
	// come by themselves.
	Send func(t *testing.T, payloads ...string)
	// Break breaks the source's connection; nil where it has none.
	Break func(t *testing.T)
	// Unseat takes the lock away from whoever leads, for types with the trait Elects.
	Unseat func(t *testing.T)
}

// Source runs the suite on a source.
func Source(t *testing.T, h SourceHarness) {
	t.Run("documented", func(t *testing.T) { documented(t, h.Type) })
	if h.Unreachable != nil {
		t.Run("unreachable", func(t *testing.T) { unreachable(t, h) })
	}
	if h.Send != nil {
		t.Run("emits", func(t *testing.T) { emits(t, h) })
	}
	if h.Break != nil {
		t.Run("comes back", func(t *testing.T) { comesBack(t, h) })
	}
	if h.Type.Has(plugin.Replays) {
		t.Run("replays what was not acked", func(t *testing.T) { replays(t, h) })
	}
	t.Run("ends while Emit blocks", func(t *testing.T) {
		r := startSource(t, h)
		r.out.block()
		h.send(t, "one")
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

func (h SourceHarness) send(t *testing.T, payloads ...string) {
	if h.Send != nil {
		h.Send(t, payloads...)
	}
}

// unreachable: it was built without I/O, Run says what is wrong, and does not hang.
func unreachable(t *testing.T, h SourceHarness) {
	s := build(t, h.Type, h.Unreachable, Env(t))
	out := newRecorder()
	if err := within(t, func() error { return s.Run(t.Context(), out) }); err == nil {
		t.Error("Run returned nil although nobody answers")
	}
	if out.isReady() {
		t.Error("Ready was called although nobody answers")
	}
}

func emits(t *testing.T, h SourceHarness) {
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
}

func comesBack(t *testing.T, h SourceHarness) {
	r := startSource(t, h)
	h.Break(t)
	if err := within(t, func() error { return <-r.ended }); err == nil {
		t.Error("Run returned nil when the connection broke")
	}
	r.run(t)
	if gaps := r.out.gapCount(); gaps == 0 && !h.Type.Has(plugin.Replays) {
		t.Error("no Gap before the second Ready")
	}
	h.Send(t, "after")
	if e := r.out.next(t); string(e.Data) != "after" {
		t.Errorf("got %q", e.Data)
	}
	if err := r.end(t); err != nil {
		t.Errorf("Run returned %v when ctx ended, want nil", err)
	}
}

// replays: a nack ends Run with an error, and the next one emits the events again,
// under the same IDs. What was acked does not come again.
func replays(t *testing.T, h SourceHarness) {
	r := newRunning(t, h)
	r.out.settle(errNack)
	r.run(t)
	h.send(t, "one", "two")
	first := r.out.next(t)
	if err := within(t, func() error { return <-r.ended }); err == nil {
		t.Error("Run returned nil after a nack")
	}
	r.out.drain()
	r.out.settle(nil)
	r.run(t)
	again := r.out.next(t)
	if again.ID == "" || again.ID != first.ID || string(again.Data) != string(first.Data) {
		t.Errorf("after a nack of %s (%s) came %s (%s)", first.ID, first.Data, again.ID, again.Data)
	}
	if err := r.end(t); err != nil {
		t.Errorf("Run returned %v when ctx ended, want nil", err)
	}
	r.out.drain()
	h.send(t, "three")
	r.run(t)
	if e := r.out.next(t); e.ID == first.ID {
		t.Errorf("%s was acked and comes again", e.ID)
	}
	if err := r.end(t); err != nil {
		t.Errorf("Run returned %v when ctx ended, want nil", err)
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
	r := newRunning(t, h)
	r.run(t)
	return r
}

func newRunning(t *testing.T, h SourceHarness) *runningSource {
	t.Helper()
	return &runningSource{impl: build(t, h.Type, h.Reachable, Env(t)), out: newRecorder()}
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
		if !r.out.isReady() {
			t.Fatalf("Run: %v", err)
		}
		r.ended <- err // it was ready, and has ended already, as after a nack
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

var errNack = errors.New("nack")

// recorder is a plugin.Output that keeps what it gets.
type recorder struct {
	Output
	ready   chan struct{} // set before Run
	events  chan *event.Event
	gaps    chan string
	blocked chan struct{} // Emit says here that it blocks

	mu      sync.Mutex
	blocks  bool  // Emit blocks until ctx ends
	verdict error // what Ack is told
}

func newRecorder() *recorder {
	return &recorder{ready: make(chan struct{}), events: make(chan *event.Event, 10_000), gaps: make(chan string, 1000), blocked: make(chan struct{}, 1000)}
}

func (r *recorder) Ready()            { close(r.ready) }
func (r *recorder) Gap(reason string) { r.gaps <- reason }
func (r *recorder) PassOn(plugin.Gap) {}
func (r *recorder) gapCount() int     { return len(r.gaps) }

func (r *recorder) block() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = true
}

func (r *recorder) settle(verdict error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdict = verdict
}

// drain forgets the events that nobody took.
func (r *recorder) drain() {
	for len(r.events) > 0 {
		<-r.events
	}
}

func (r *recorder) isReady() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

func (r *recorder) Emit(ctx context.Context, b event.Batch) error {
	r.mu.Lock()
	blocks, verdict := r.blocks, r.verdict
	r.mu.Unlock()
	var err error
	if blocks {
		r.blocked <- struct{}{}
		<-ctx.Done()
		err = ctx.Err()
		verdict = err
	} else {
		for _, e := range b.Events {
			select {
			case r.events <- e: // whether ctx has ended or not: the rest of the batch has arrived, too
				continue
			default:
			}
			select {
			case r.events <- e:
			case <-ctx.Done():
				err = ctx.Err()
				verdict = err
			}
		}
	}
	if b.Ack != nil {
		b.Ack(verdict)
	}
	return err
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
