package router

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
)

// TestStopDuringATakeoverDelivers: the successor starts, and delivers what waits, where there is time.
func TestStopDuringATakeoverDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		var got []string
		graph := func(version int) Graph {
			out := partSink(j, "out", version, func(p *part) {
				p.write = func(_ context.Context, events []*event.Event) error {
					if version == 1 {
						time.Sleep(2 * time.Second)
					}
					got = append(got, texts(events)...)
					return nil
				}
			})
			out.Delivery.Queue.Batch = 1
			return Graph{Sources: []SourceSpec{sourceSpec("in", nil)}, Sinks: []SinkSpec{out}, Routes: routeTo("out")}
		}
		in := sourceSpec("in", emits(5, nil))
		g := graph(1)
		g.Sources[0] = in
		r := start(t, g)
		synctest.Wait()
		g = graph(2)
		g.Sources[0] = in
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}
