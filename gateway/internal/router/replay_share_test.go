package router

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestReplayLeavesRoomAndReloads proves that a replay to a sink that does not answer has at most a quarter of its queue, so that live events
// have room; that reloads which remove components end while the replay waits, and while the queue is full; and that each letter is settled
// once when the sink answers.
func TestReplayLeavesRoomAndReloads(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"sink out", "route r"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			const size, replayed = 16, 40
			answer := make(chan struct{})
			sink := sinkFunc(func(ctx context.Context, _ []*event.Event) error {
				select {
				case <-answer:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			emit := make(chan int)
			source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
				out.Ready()
				for {
					select {
					case n := <-emit:
						_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: fmt.Append(nil, n)}}, Ack: ackTo(func(error) {})})
					case <-ctx.Done():
						return nil
					}
				}
			})
			j := &journal{}
			in, out := sourceSpec("in", source), sinkSpec("out", sink, func(o *delivery.Options) { o.Queue.Size, o.Queue.Batch = size, 1 })
			graph := func(other string) Graph {
				return Graph{
					Sources: []SourceSpec{in, partSource(j, "idle", 1, nil)}, Sinks: []SinkSpec{out, partSink(j, other, 1, nil)},
					Routes: append(routeTo("out"), RouteSpec{Name: "u", From: []string{"idle"}, To: []string{other}}),
				}
			}
			r, _ := startWithStore(t, graph("a"))
			testenv.Eventually(t, testenv.Wait, "the start", func() bool { return len(r.ReplayPlaces()) > 0 })
			outcomes := make(chan error, 10*replayed)
			var sent atomic.Int32
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for n := range replayed {
					l := &letters.Letter{Place: to, Data: fmt.Append(nil, "letter ", n)}
					if err := r.Replay(t.Context(), l, to, func(err error) { outcomes <- err }); err != nil {
						t.Error(err)
					}
					sent.Add(1)
				}
			}()
			testenv.Eventually(t, testenv.Wait, "the share of the replay", func() bool { return sent.Load() == size/4 })
			for n := range size * 3 / 4 { // none blocks
				emit <- n
			}
			waiting := func() uint64 { return r.plan.sinks[0].Status().Waiting() }
			testenv.Eventually(t, testenv.Wait, "the live events", func() bool { return waiting() >= size-1 })
			if n := sent.Load(); n != size/4 {
				t.Errorf("%d letters are under way, more than a quarter of %d", n, size)
			}
			for _, other := range []string{"b", "a", "b"} { // each removes a sink, which must end before it comes back
				if err := r.reload(t, graph(other)); err != nil {
					t.Fatal(err)
				}
			}
			close(answer)
			<-ended
			for range replayed {
				if err := <-outcomes; err != nil {
					t.Errorf("a letter: %v", err)
				}
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if len(outcomes) != 0 {
				t.Errorf("%d letters were settled twice", len(outcomes))
			}
		})
	}
}

// TestReloadCancelsBlockedReplay proves that a letter which waits for room in a full queue does not delay a reload, and is delivered then.
func TestReloadCancelsBlockedReplay(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"sink out", "route r"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			answer := make(chan struct{})
			sink := sinkFunc(func(ctx context.Context, _ []*event.Event) error {
				select {
				case <-answer:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			j := &journal{}
			in := sourceSpec("in", emits(2, func(error) {})) // one is in flight, and one fills the queue
			out := sinkSpec("out", sink, func(o *delivery.Options) { o.Queue.Size, o.Queue.Batch = 1, 1 })
			graph := func(other string) Graph {
				return Graph{
					Sources: []SourceSpec{in, partSource(j, "idle", 1, nil)}, Sinks: []SinkSpec{out, partSink(j, other, 1, nil)},
					Routes: append(routeTo("out"), RouteSpec{Name: "u", From: []string{"idle"}, To: []string{other}}),
				}
			}
			r, _ := startWithStore(t, graph("a"))
			testenv.Eventually(t, testenv.Wait, "a full queue", func() bool { return r.plan.sinks[0].Queue().Counts().Queued == 1 })
			outcome := make(chan error, 10)
			ended := make(chan error, 1)
			go func() {
				ended <- r.Replay(t.Context(), &letters.Letter{Place: to, Data: []byte("letter")}, to, func(err error) { outcome <- err })
			}()
			for _, other := range []string{"b", "a", "b"} {
				if err := r.reload(t, graph(other)); err != nil {
					t.Fatal(err)
				}
			}
			close(answer)
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := <-outcome; err != nil {
				t.Error(err)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}
