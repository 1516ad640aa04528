package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// answering is a source that answers its senders.
type answering struct{ out chan plugin.Output }

func (a answering) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	a.out <- out
	<-ctx.Done()
	return nil
}

func newAnswering(name string) (answering, SourceSpec) {
	a := answering{make(chan plugin.Output, 1)}
	spec := sourceSpec(name, a)
	spec.Type = spec.Type.With(plugin.AnswersSenders)
	return a, spec
}

// batchesOf returns a batch for each text, and its verdict.
func batchesOf(texts ...string) (batches []event.Batch, verdicts []*inflight.Verdict) {
	for _, text := range texts {
		v := inflight.NewVerdict()
		batches = append(batches, event.Batch{Events: []*event.Event{{Data: []byte(text)}}, Ack: v.Ack()})
		verdicts = append(verdicts, v)
	}
	return batches, verdicts
}

// bounded sets the size of a queue, and that of batches to 1.
func bounded(size int) func(*delivery.Options) {
	return func(d *delivery.Options) { d.Queue.Size, d.Queue.Batch = size, 1 }
}

// TestTryEmitAsksForRoom proves that TryEmit takes all batches or none, that each sender gets the verdict of its event, and that refused events are counted apart.
func TestTryEmitAsksForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, in := newAnswering("in")
		open, refused := make(chan struct{}), errors.New("not this one")
		var got []string
		sink := sinkFunc(func(ctx context.Context, events []*event.Event) error {
			select {
			case <-open:
			case <-ctx.Done():
				return ctx.Err()
			}
			if string(events[0].Data) == "b" {
				return plugin.Permanent(refused)
			}
			got = append(got, texts(events)...)
			return nil
		})
		r := start(t, Graph{Sources: []SourceSpec{in}, Sinks: []SinkSpec{sinkSpec("out", sink, bounded(3))}, Routes: routeTo("out")})
		out := <-a.out
		first, verdicts := batchesOf("a", "b", "c")
		if err := out.TryEmit(first...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // one is in a write
		more, _ := batchesOf("d", "e")
		if err := out.TryEmit(more...); err != plugin.ErrNoRoom {
			t.Errorf("two events where there is room for one: %v", err)
		}
		last, lastVerdicts := batchesOf("f")
		if err := out.TryEmit(last...); err != nil {
			t.Errorf("one event: %v", err)
		}
		if err := out.TryEmit(more...); err != plugin.ErrNoRoom {
			t.Errorf("a full queue: %v", err)
		}
		many, _ := batchesOf("1", "2", "3", "4")
		if err := out.TryEmit(many...); !plugin.IsPermanent(err) || plugin.IsUnavailable(err) {
			t.Errorf("more than the queue can have: %v", err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := verdicts[0].Wait(ended); err != context.Canceled {
			t.Errorf("before the write has ended: %v", err)
		}
		close(open)
		for i, v := range append(verdicts, lastVerdicts...) {
			err := v.Wait(t.Context())
			if i == 1 && (!plugin.IsPermanent(err) || !errors.Is(err, refused)) || i != 1 && err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		synctest.Wait() // a verdict comes before its count
		s := r.Status().Sources[0]
		if s.Emitted != 4 || s.Acked != 3 || s.Nacked != 1 || s.Refused != 2+2+4 || s.Gaps != 0 {
			t.Errorf("%+v", s.SourceCounts)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if err := out.TryEmit(more...); err != plugin.ErrNotRunning {
			t.Errorf("after Run: %v", err)
		}
		if !slices.Equal(got, []string{"a", "c", "f"}) {
			t.Errorf("delivered %q", got)
		}
	})
}

// TestTryEmitDoesNotWaitForOtherSources proves that TryEmit returns while another source of the route waits for room.
func TestTryEmitDoesNotWaitForOtherSources(t *testing.T) {
	a, in := newAnswering("in")
	open := make(chan struct{})
	sink := sinkFunc(func(ctx context.Context, _ []*event.Event) error {
		select {
		case <-open:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	other := sourceSpec("other", emits(100, func(error) {}))
	routes := []RouteSpec{{Name: "r", From: []string{"in", "other"}, To: []string{"out"}}}
	r := start(t, Graph{Sources: []SourceSpec{in, other}, Sinks: []SinkSpec{sinkSpec("out", sink, bounded(2))}, Routes: routes})
	out := <-a.out
	for refusals := 0; refusals < 100; { // the first ones may find room
		b, _ := batchesOf("x")
		if err := out.TryEmit(b...); err == plugin.ErrNoRoom {
			refusals++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	close(open)
	b, v := batchesOf("y")
	for err := plugin.ErrNoRoom; err != nil; err = out.TryEmit(b...) {
		time.Sleep(time.Millisecond)
	}
	if err := v[0].Wait(t.Context()); err != nil && err != plugin.ErrNoRoom {
		t.Error(err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// TestEverySenderIsAnswered proves with many senders, two sinks and another source that each verdict is right: what was acked is in both sinks, and what
// was nacked was nacked for lack of room. The conservation law holds.
func TestEverySenderIsAnswered(t *testing.T) {
	a, in := newAnswering("in")
	var mu sync.Mutex
	got := [2]map[string]bool{{}, {}}
	sink := func(n int, pause time.Duration) plugin.Sink {
		return sinkFunc(func(_ context.Context, events []*event.Event) error {
			time.Sleep(pause)
			mu.Lock()
			defer mu.Unlock()
			for _, e := range events {
				got[n][string(e.Data)] = true
			}
			return nil
		})
	}
	sinks := []SinkSpec{sinkSpec("fast", sink(0, 0), bounded(4)), sinkSpec("slow", sink(1, 200*time.Microsecond), bounded(4))}
	routes := []RouteSpec{{Name: "r", From: []string{"in", "other"}, To: []string{"fast", "slow"}}}
	r := start(t, Graph{Sources: []SourceSpec{in, sourceSpec("other", emits(300, func(error) {}))}, Sinks: sinks, Routes: routes})
	out := <-a.out
	var acked sync.Map
	var n, nacked, refused atomic.Int64
	var senders sync.WaitGroup
	for s := range 8 {
		senders.Go(func() {
			for i := range 50 {
				text := fmt.Sprintf("%d-%d", s, i)
				b, v := batchesOf(text, text+"-2")
				err := out.TryEmit(b...)
				for ; err == plugin.ErrNoRoom; err = out.TryEmit(b...) {
					refused.Add(2)
					time.Sleep(100 * time.Microsecond)
				}
				if err != nil {
					t.Error(err)
				}
				for k, one := range v {
					switch err := one.Wait(t.Context()); err {
					case nil:
						n.Add(1)
						acked.Store(string(b[k].Events[0].Data), true)
					case plugin.ErrNoRoom:
						nacked.Add(1)
					default:
						t.Error(err)
					}
				}
			}
		})
	}
	senders.Wait()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	acked.Range(func(text, _ any) bool {
		if !got[0][text.(string)] || !got[1][text.(string)] {
			t.Errorf("%s was acked, and is not in both sinks", text)
		}
		return true
	})
	if s := r.Status().Sources[0]; n.Load() == 0 || s.Acked != uint64(n.Load()) || s.Nacked != uint64(nacked.Load()) || s.Refused != uint64(refused.Load()) {
		t.Errorf("%d acked, %d nacked, %d refused; counted %+v", n.Load(), nacked.Load(), refused.Load(), s.SourceCounts)
	}
	t.Logf("%d acked, %d nacked, %d refused", n.Load(), nacked.Load(), refused.Load())
}

// TestBestEffortSinkDelaysSendersForMaxBlock proves that a full sink with best_effort refuses senders only until max_block is over.
func TestBestEffortSinkDelaysSendersForMaxBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, in := newAnswering("in")
		dead := sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() })
		spec := sinkSpec("out", dead, func(d *delivery.Options) {
			bounded(1)(d)
			d.BestEffort, d.Queue.MaxBlock = true, options.Duration(10*time.Second)
		})
		r := start(t, Graph{Sources: []SourceSpec{in}, Sinks: []SinkSpec{spec}, Routes: routeTo("out")})
		out := <-a.out
		emit := func() error {
			b, _ := batchesOf("x")
			err := out.TryEmit(b...)
			synctest.Wait()
			return err
		}
		if err := errors.Join(emit(), emit()); err != nil { // in the write, and in the queue
			t.Fatal(err)
		}
		if err := emit(); err != plugin.ErrNoRoom {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(10 * time.Second)
		if err := emit(); err != nil {
			t.Errorf("after max_block: %v", err)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
