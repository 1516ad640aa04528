package router

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

var errSink = errors.New("sink says no")

func TestFailedWritesAreRetriedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		var attempts int
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(5, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(_ context.Context, events []*event.Event) error {
				if attempts++; attempts < 8 {
					return errSink
				}
				got = append(got, texts(events)...)
				return nil
			}), nil)},
			Routes: routeTo("out"),
		})
		time.Sleep(5 * time.Minute) // of the bubble
		if st := r.Status().Sinks[0]; !st.Up || st.Retries != 7 || st.Errors != 7 || st.LastError != errSink.Error() {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("delivered %v", got)
		}
	})
}

// TestVerdictsOfASink: Partial, Permanent, RetryAfter and panics.
func TestVerdictsOfASink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var got []string
		var paused time.Time
		seen := map[string]int{}
		sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
			<-gate // until all are queued
			failed := map[int]error{}
			for i, e := range events {
				text := string(e.Data)
				seen[text]++
				switch {
				case text == "2":
					failed[i] = plugin.Permanent(errSink)
				case text == "4" && seen[text] == 1:
					paused = time.Now()
					failed[i] = plugin.RetryAfter(errSink, 20*time.Second)
				case text == "4" && time.Since(paused) < 20*time.Second:
					t.Errorf("tried again after %v", time.Since(paused))
				case text == "6":
					if len(failed) == 0 { // alone, or in a batch without an error before it
						panic("six")
					}
					failed[i] = errSink
				}
				if failed[i] == nil {
					got = append(got, text)
				}
			}
			if len(failed) > 0 {
				return plugin.Failed(failed)
			}
			return nil
		})
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(8, nil))}, Sinks: []SinkSpec{sinkSpec("out", sink, nil)}, Routes: routeTo("out")})
		time.Sleep(time.Second)
		close(gate)
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, []string{"0", "1", "3", "4", "5", "7"}) {
			t.Errorf("delivered %v", got)
		}
		var parked []string
		letters, _ := latestLetters(r.Router)
		for _, d := range letters {
			parked = append(parked, string(d.Data)+" "+d.Reason)
		}
		slices.Sort(parked)
		if !slices.Equal(parked, []string{"2 sink says no", "6 panic: six"}) {
			t.Errorf("parked %q", parked)
		}
	})
}

func TestAttemptsEndInADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(1, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(context.Context, []*event.Event) error { writes++; return errSink }), func(d *delivery.Options) {
				d.Retry.Attempts = 3
			})},
			Routes: routeTo("out"),
		})
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if letters, _ := latestLetters(r.Router); writes != 3 || len(letters) != 1 || letters[0].Attempts != 3 || letters[0].Component != "sink out" {
			t.Errorf("%d writes, %+v", writes, letters)
		}
	})
}

// TestTimeout: a write that hangs is canceled and tried again.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(1, nil))},
			Sinks: []SinkSpec{sinkSpec("out", sinkFunc(func(ctx context.Context, _ []*event.Event) error {
				if writes++; writes == 1 {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}), func(d *delivery.Options) { d.Timeout = options.Duration(time.Second) })},
			Routes: routeTo("out"),
		})
		time.Sleep(time.Minute)
		if st := r.Status().Sinks[0]; st.Delivered != 1 || st.Retries != 1 {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestDeadSinkHurtsOnlyItself: its queue drops by its own policy, the other one
// gets everything.
func TestDeadSinkHurtsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		healthy := 0
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(n, nil))},
			Sinks: []SinkSpec{
				sinkSpec("dead", sinkFunc(func(ctx context.Context, _ []*event.Event) error { <-ctx.Done(); return ctx.Err() }), func(d *delivery.Options) {
					d.Timeout, d.Queue.Size, d.Queue.WhenFull = 0, 10, queue.WhenFullDropOldest
				}),
				sinkSpec("healthy", sinkFunc(func(_ context.Context, events []*event.Event) error { healthy += len(events); return nil }), nil),
			},
			Routes: routeTo("dead", "healthy"),
		})
		begin := time.Now()
		synctest.Wait()
		if took := time.Since(begin); took != 0 || healthy != n {
			t.Errorf("%d delivered, %v later", healthy, took)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if d := r.Status().Sinks[0]; d.Returned+d.Dropped[queue.WhenFullDropOldest] != n || d.Returned == 0 {
			t.Errorf("%+v", d)
		}
	})
}
