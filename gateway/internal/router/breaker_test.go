package router

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// notes is a list that several goroutines write.
type notes[T any] struct {
	mu   sync.Mutex
	list []T
}

// add returns how many there are then.
func (n *notes[T]) add(some ...T) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, some...)
	return len(n.list)
}

func (n *notes[T]) all() []T {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}

// eventsFail is a sink of which single events fail: those that bad says.
func eventsFail(got *notes[string], bad func(text string) error) plugin.Sink {
	return sinkFunc(func(_ context.Context, events []*event.Event) error {
		failed := map[int]error{}
		for i, e := range events {
			if err := bad(string(e.Data)); err != nil {
				failed[i] = err
			} else {
				got.add(string(e.Data))
			}
		}
		if len(failed) > 0 {
			return plugin.Failed(failed)
		}
		return nil
	})
}

// TestBreaker: events that fail in a row open it; then one write at a time shows whether
// to go on; and while it is open no attempt is made of any event.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, well := time.Now(), &atomic.Bool{}
		writes := &notes[time.Duration]{}
		sink := eventsFail(&notes[string]{}, func(string) error {
			writes.add(time.Since(begin))
			if well.Load() {
				return nil
			}
			return errSink
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(100, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) {
				d.Queue.Batch, d.Ordering = 1, delivery.OrderingNone
				d.Retry.Attempts = 8
				d.Breaker = delivery.BreakerOptions{Failures: 5, Pause: options.Duration(time.Minute)}
			})},
			Routes: routeTo("out"),
		})
		time.Sleep(10 * time.Second)
		if st := r.Status().Sinks[0]; st.Breaker.State != stats.BreakerOpen || st.Breaker.Until == nil || st.Up || st.Errors != 5 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Hour)
		at := writes.all()
		if n := len(at); n < 5+59 || n > 5+121 {
			t.Errorf("%d writes in an hour", n)
		}
		for i := 6; i < len(at); i++ {
			if pause := at[i] - at[i-1]; pause < 30*time.Second || pause > time.Minute {
				t.Fatalf("%v between two attempts", pause)
			}
		}
		well.Store(true)
		time.Sleep(time.Hour)
		if st := r.Status().Sinks[0]; st.Breaker.State != stats.BreakerClosed || !st.Up || st.Delivered+st.DeadLettered != 100 || st.Breaker.Opened != 1 {
			t.Errorf("%+v", st)
		}
		if letters, _ := latestLetters(r.Router); len(letters) > len(at)/8+1 {
			t.Errorf("%d events were given up", len(letters))
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestOneProbe: of many workers one tries whether the sink works again.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var works atomic.Bool
		var now, most atomic.Int32
		sink := sinkFunc(func(context.Context, []*event.Event) error {
			now.Add(1)
			defer now.Add(-1)
			time.Sleep(time.Second)
			most.Store(max(most.Load(), now.Load()))
			if works.Load() {
				return nil
			}
			return errSink
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(20, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) {
				d.Queue.Batch, d.Ordering, d.Workers = 1, delivery.OrderingNone, 8
			})},
			Routes: routeTo("out"),
		})
		time.Sleep(time.Minute)
		if n := most.Swap(0); n != 8 {
			t.Errorf("%d writes at the same time", n)
		}
		time.Sleep(time.Hour)
		if st := r.Status().Sinks[0]; most.Load() != 1 || st.Errors > 500 {
			t.Errorf("while the sink is down there are %d writes at the same time: %+v", most.Load(), st)
		}
		works.Store(true)
		time.Sleep(time.Minute)
		if st := r.Status().Sinks[0]; st.Delivered != 20 || !st.Up {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestDisabled: a receiver that wants nothing any more gets nothing, and what waits is
// kept, until the configuration is loaded again; a stop does not wait for it.
func TestDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, writes := &notes[string]{}, &atomic.Int32{}
		var there atomic.Bool
		j := &journal{}
		out := partSink(j, "out", 1, func(p *part) {
			p.write = func(_ context.Context, events []*event.Event) error {
				if writes.Add(1); !there.Load() {
					return plugin.Disabling(errSink)
				}
				got.add(texts(events)...)
				return nil
			}
		})
		out.Delivery.Queue.Batch, out.Delivery.Retry.Attempts = 1, 1
		in := partSource(j, "in", 1, func(p *part) { p.from = emits(5, nil).Run })
		g := Graph{Sources: []SourceSpec{in}, Sinks: []SinkSpec{out}, Routes: routeTo("out")}
		r := start(t, g)
		time.Sleep(24 * time.Hour)
		if st := r.Status().Sinks[0]; writes.Load() != 1 || st.Breaker.State != stats.BreakerDisabled || st.Breaker.Reason != errSink.Error() || st.Waiting() != 5 || st.Up {
			t.Errorf("%d writes, %+v", writes.Load(), st)
		}
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if n := writes.Load(); n != 2 {
			t.Errorf("%d writes after a reload", n)
		}
		there.Store(true)
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.Equal(got.all(), []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("got %v", got.all())
		}
		begin := time.Now()
		if err := r.stop(); err != nil || time.Since(begin) > 0 {
			t.Errorf("stopped after %v: %v", time.Since(begin), err)
		}
	})
}

// TestFailingKeyHoldsBackItself: and nothing else, however many workers there are; with
// ordering none not even itself.
func TestFailingKeyHoldsBackItself(t *testing.T) {
	for _, ordering := range []string{delivery.OrderingKey, delivery.OrderingNone} {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprint(ordering, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got := &notes[string]{}
					var mended atomic.Bool
					source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
						out.Ready()
						for i := range 100 {
							e := &event.Event{Time: time.Now(), Key: fmt.Sprint(i % 10), Data: fmt.Appendf(nil, "%d of %d", i, i%10)}
							if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}}); err != nil {
								return err
							}
						}
						<-ctx.Done()
						return nil
					})
					r := start(t, Graph{
						Sources: []SourceSpec{sourceSpec("in", source)},
						Sinks: []SinkSpec{sinkSpec("out", eventsFail(got, func(text string) error {
							if !mended.Load() && strings.HasPrefix(text, "13 ") {
								return errSink
							}
							return nil
						}), func(d *delivery.Options) {
							d.Queue.Batch, d.Ordering, d.Workers = 1, ordering, workers
						})},
						Routes: routeTo("out"),
					})
					time.Sleep(time.Minute)
					want := 99
					if ordering == delivery.OrderingKey {
						want = 91 // 3, and not 13 to 93
					}
					if st := r.Status().Sinks[0]; len(got.all()) != want || st.Retrying+st.Writing != 1 || st.HeldBack != uint64(99-want) || !st.Up {
						t.Errorf("%d delivered: %+v", len(got.all()), st)
					}
					mended.Store(true)
					time.Sleep(time.Minute)
					if err := r.stop(); err != nil {
						t.Error(err)
					}
					var three []string
					for _, text := range got.all() {
						if strings.HasSuffix(text, " of 3") {
							three = append(three, text)
						}
					}
					if inOrder := slices.Equal(three, []string{"3 of 3", "13 of 3", "23 of 3", "33 of 3", "43 of 3", "53 of 3", "63 of 3", "73 of 3", "83 of 3", "93 of 3"}); len(got.all()) != 100 || inOrder != (ordering == delivery.OrderingKey) {
						t.Errorf("%d delivered, of the key 3: %v", len(got.all()), three)
					}
				})
			})
		}
	}
}

// TestRate: no more events in a second than that.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(1000, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(_ context.Context, events []*event.Event) error {
				n.Add(int32(len(events)))
				return nil
			}), func(d *delivery.Options) { d.Rate = 50 })},
			Routes: routeTo("out"),
		})
		time.Sleep(10 * time.Second)
		if n := n.Load(); n < 500 || n > 505 {
			t.Errorf("%d in ten seconds", n)
		}
		time.Sleep(10 * time.Second)
		if err := r.stop(); err != nil || n.Load() != 1000 {
			t.Errorf("%d, %v", n.Load(), err)
		}
	})
}
