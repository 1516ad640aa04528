package router

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestRemovedDeadLetterSinkKeepsTheBooks: what was parked there stays counted.
func TestRemovedDeadLetterSinkKeepsTheBooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := sourceSpec("in", emits(3, nil))
		refuses := transformSpec(func(e *event.Event, emit func(*event.Event)) error {
			if string(e.Data) == "0" {
				return errSink
			}
			emit(e)
			return nil
		})
		refuses.Failure = DefaultFailure()
		out := never(errSink)
		graph := func(letters string) Graph {
			g := Graph{Sources: []SourceSpec{in}, Sinks: []SinkSpec{sinkSpec("out", out, deadLetter(letters))},
				Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: []TransformSpec{refuses}, To: []string{"out"}, DeadLetter: letters}}}
			if letters != "" {
				g.Sinks = append(g.Sinks, sinkSpec(letters, &keeps{}, nil))
			}
			return g
		}
		r := start(t, graph("parked"))
		synctest.Wait()
		if err := r.Status().ConservedAtRest(); err != nil {
			t.Error(err)
		}
		for _, letters := range []string{"other", ""} {
			if err := r.reload(t, graph(letters)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := r.Status().ConservedAtRest(); err != nil {
				t.Error(err)
			}
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestRemovedDeadLettersAreDrainedLast: sinks that are removed together with their dead-letter sinks park there what they
// cannot deliver.
func TestRemovedDeadLettersAreDrainedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parked := &keeps{}
		slow := sinkFunc(func(_ context.Context, events []*event.Event) error {
			time.Sleep(100 * time.Millisecond)
			return plugin.Permanent(errSink)
		})
		in := sourceSpec("in", emits(10, nil))
		g := Graph{
			Sources: []SourceSpec{in},
			Sinks: []SinkSpec{
				sinkSpec("parked", parked, nil), sinkSpec("middle", never(errSink), deadLetter("parked")), sinkSpec("out", slow, deadLetter("middle")),
			},
			Routes: routeTo("out"),
		}
		g.Sinks[2].Delivery.Queue.Batch = 1
		r := start(t, g)
		synctest.Wait()
		if err := r.reload(t, Graph{Sources: []SourceSpec{in}, Sinks: []SinkSpec{sinkSpec("new", &keeps{}, nil)}, Routes: routeTo("new")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		parked.mu.Lock()
		defer parked.mu.Unlock()
		if len(parked.got) != 10 {
			t.Errorf("%d of 10 were parked", len(parked.got))
		}
	})
}

// TestReplacedSinkParksInARemovedOne: its write under way fails after the reload.
func TestReplacedSinkParksInARemovedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, parked := &journal{}, &keeps{}
		graph := func(version int, letters string) Graph {
			out := partSink(j, "out", version, func(p *part) {
				p.write = func(context.Context, []*event.Event) error {
					time.Sleep(2 * time.Second)
					return plugin.Permanent(errSink)
				}
			})
			out.Delivery.DeadLetter = letters
			g := Graph{Sinks: []SinkSpec{out}, Routes: routeTo("out")}
			if letters != "" {
				g.Sinks = append(g.Sinks, sinkSpec(letters, parked, nil))
			}
			return g
		}
		in := sourceSpec("in", emits(1, nil))
		before, after := graph(1, "parked"), graph(2, "")
		before.Sources, after.Sources = []SourceSpec{in}, []SourceSpec{in}
		r := start(t, before)
		time.Sleep(time.Second)
		if err := r.reload(t, after); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		parked.mu.Lock()
		defer parked.mu.Unlock()
		if len(parked.got) != 1 {
			t.Errorf("%d of 1 was parked", len(parked.got))
		}
	})
}

// TestStopWhileARemovedSinkParks: the sink for its dead letters, which stays, takes them all before it stops.
func TestStopWhileARemovedSinkParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parked := &keeps{}
		slow := sinkFunc(func(_ context.Context, events []*event.Event) error {
			time.Sleep(100 * time.Millisecond)
			return plugin.Permanent(errSink)
		})
		stays := sinkSpec("parked", parked, nil)
		g := Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(10, nil))}, Sinks: []SinkSpec{stays, sinkSpec("out", slow, deadLetter("parked"))},
			Routes: routeTo("out"),
		}
		g.Sinks[1].Delivery.Queue.Batch = 1
		r := start(t, g)
		synctest.Wait()
		if err := r.reload(t, Graph{Sources: g.Sources, Sinks: []SinkSpec{stays}, Routes: routeTo("parked")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(250 * time.Millisecond)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		parked.mu.Lock()
		defer parked.mu.Unlock()
		if len(parked.got) != 10 {
			t.Errorf("%d of 10 were parked", len(parked.got))
		}
	})
}
