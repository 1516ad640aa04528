package router

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestGoroutineThatOutlivesRun: it goes on to emit and to report gaps while the source runs again, with and
// without a leader. What it emits is given back, and what it reports is passed on.
func TestGoroutineThatOutlivesRun(t *testing.T) {
	for _, name := range []string{"alone", "leader"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				acks, runs := &notes[error]{}, 0
				ending, stop := context.WithCancel(context.Background())
				var left sync.WaitGroup
				from := func(_ context.Context, out plugin.Output) error {
					runs++
					left.Go(func() {
						for ending.Err() == nil {
							time.Sleep(time.Second)
							out.Gap("late")
							out.ForwardGap(plugin.Gap{Source: "elsewhere", Reason: "late"})
							_ = out.Emit(ending, event.Batch{Events: []*event.Event{{}}, Ack: ackTo(func(err error) { acks.add(err) })})
						}
					})
					return errors.New("lost")
				}
				g := candidateGraph(&candidate{part: part{j: &journal{}, name: "in", from: from}, server: &lockServer{changed: make(chan struct{})}}, &keeps{})
				if name == "alone" {
					g = Graph{Sources: []SourceSpec{sourceSpec("in", sourceFunc(from))}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")}
				}
				r := start(t, g)
				time.Sleep(20 * time.Second)
				stop()
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				left.Wait()
				for _, err := range acks.all() {
					if !errors.Is(err, errAfterRun) {
						t.Fatalf("an ack says %v", err)
					}
				}
				if s := r.Status().Sources[0]; runs < 3 || s.Nacked == 0 || s.Gaps == 0 || s.GapsPassedOn == 0 {
					t.Errorf("%d runs: %+v", runs, s)
				}
			})
		})
	}
}
