package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestSuccessorTakesOverWhatWaits: a sink that is dead is replaced by one that works;
// the source that it blocks goes on at once, and nothing is lost, doubled or swapped.
func TestSuccessorTakesOverWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		var got []string
		graph := func(version int) Graph {
			out := partSink(j, "out", version, func(p *part) {
				p.write = func(_ context.Context, events []*event.Event) error {
					if version == 1 {
						return errSink
					}
					got = append(got, texts(events)...)
					return nil
				}
			})
			out.Delivery.Queue.Size, out.Delivery.Queue.MaxBlock = 10, options.Duration(time.Hour)
			return Graph{
				Sources: []SourceSpec{partSource(j, "in", 1, func(p *part) {
					p.from = func(ctx context.Context, o plugin.Output) error { return emits(100, nil).Run(ctx, still{o}) }
				})},
				Sinks: []SinkSpec{out}, Routes: routeTo("out"),
			}
		}
		r := start(t, graph(1))
		time.Sleep(time.Minute)
		if err := r.reload(t, graph(2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if st := r.Status().Sinks[0]; st.In != 100 || st.Delivered != 100 || st.Errors == 0 || st.Retries == 0 || st.Breaker.Opened == 0 {
			t.Errorf("%+v", st)
		}
		for i, text := range got {
			if text != fmt.Sprint(i) {
				t.Fatalf("got %v", got)
			}
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// still is an Output whose Ready was called before.
type still struct{ plugin.Output }

func (still) Ready() {}

// TestRemovedSinkDelivers what waits for it, and its metrics go; a sink that is new
// gets what is emitted from then on.
func TestRemovedSinkDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		emit := make(chan string)
		source := partSource(j, "in", 1, func(p *part) {
			p.from = func(ctx context.Context, out plugin.Output) error {
				for {
					select {
					case text := <-emit:
						_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Data: []byte(text)}}})
					case <-ctx.Done():
						return nil
					}
				}
			}
		})
		slow := partSink(j, "slow", 1, func(p *part) {
			p.write = func(_ context.Context, events []*event.Event) error {
				time.Sleep(time.Second)
				j.add("slow: %s", strings.Join(texts(events), " "))
				return nil
			}
		})
		slow.Delivery.Queue.Batch = 1
		r := start(t, Graph{Sources: []SourceSpec{source}, Sinks: []SinkSpec{slow}, Routes: routeTo("slow")})
		for _, text := range []string{"a", "b", "c"} {
			emit <- text
		}
		synctest.Wait()
		if err := r.reload(t, Graph{Sources: []SourceSpec{source}, Sinks: []SinkSpec{partSink(j, "new", 1, nil)}, Routes: routeTo("new")}); err != nil {
			t.Fatal(err)
		}
		emit <- "d"
		time.Sleep(time.Minute)
		got := j.take()
		for _, want := range []string{"slow: a", "slow: b", "slow: c", "slow1 closed", "new1: d"} {
			if !slices.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
		if r.version(t, "slow") != "none" || r.version(t, "new") != "1" {
			t.Error("the metrics are not those of the new graph")
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestRemovedSinkLetsGo of a source, and of a sink that parks in it: it is dead, and
// holds them up, until it is removed.
func TestRemovedSinkLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		dead := func(name string) SinkSpec {
			s := partSink(j, name, 1, func(p *part) {
				p.write = func(context.Context, []*event.Event) error { return errSink }
			})
			s.Delivery.Queue.Size = 1
			return s
		}
		refusing := partSink(j, "refusing", 1, func(p *part) {
			p.write = func(context.Context, []*event.Event) error { return plugin.Permanent(errSink) }
		})
		refusing.Delivery.DeadLetter = "dead_box"
		source := partSource(j, "in", 1, func(p *part) {
			p.from = func(ctx context.Context, out plugin.Output) error {
				for n := 0; ; n++ {
					settled := make(chan error, 1)
					events := []*event.Event{{Data: fmt.Append(nil, n)}, {Data: fmt.Append(nil, n)}, {Data: fmt.Append(nil, n)}}
					_ = out.Emit(ctx, event.Batch{Events: events, Ack: ackTo(func(err error) { settled <- err })})
					select {
					case err := <-settled:
						j.add("settled: %v", err)
					case <-ctx.Done():
						return nil
					}
					if n == 10 {
						<-ctx.Done()
						return nil
					}
				}
			}
		})
		source.Type = source.Type.With(plugin.Replays)
		r := start(t, Graph{
			Sources: []SourceSpec{source}, Sinks: []SinkSpec{dead("dead"), refusing, dead("dead_box")}, Routes: routeTo("dead", "refusing"),
		})
		time.Sleep(time.Minute)
		if got := j.take(); slices.Contains(got, "settled: <nil>") {
			t.Errorf("%q", got)
		}
		refusing.Delivery.DeadLetter = "box"
		if err := r.reload(t, Graph{
			Sources: []SourceSpec{source}, Sinks: []SinkSpec{partSink(j, "alive", 1, nil), refusing, partSink(j, "box", 1, nil)}, Routes: routeTo("alive", "refusing"),
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		n := 0
		for _, line := range j.take() {
			if line == "settled: <nil>" {
				n++
			}
		}
		if n != 10 { // the first was given back
			t.Errorf("%d batches were settled", n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadThatBringsBackAnEndingSourceCanBeRepeated proves that a reload which waits in vain for a removed source of the same name
// fails with an error that says when to repeat it, and then succeeds.
func TestReloadThatBringsBackAnEndingSourceCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stuck := &journal{}, make(chan struct{})
		graph := func(sources ...string) Graph {
			g := Graph{Sinks: []SinkSpec{partSink(j, "out", 1, nil)}, Routes: []RouteSpec{{Name: "r", From: sources, To: []string{"out"}}}}
			for _, name := range sources {
				g.Sources = append(g.Sources, partSource(j, name, 1, func(p *part) {
					if name == "slow" {
						p.from = func(context.Context, plugin.Output) error { <-stuck; return nil } // it ignores its context
					}
				}))
			}
			return g
		}
		r := start(t, graph("quick", "slow"))
		time.Sleep(time.Second)
		if err := r.reload(t, graph("quick")); err != nil {
			t.Fatal(err)
		}
		var ending *EndingError
		if err := r.reload(t, graph("quick", "slow")); !errors.As(err, &ending) {
			t.Fatalf("while the removed source does not end: %v", err)
		}
		select {
		case <-ending.Ended:
			t.Error("the source has ended")
		default:
		}
		close(stuck)
		<-ending.Ended
		if err := r.reload(t, graph("quick", "slow")); err != nil {
			t.Errorf("when the removed source has ended: %v", err)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReplacedSourceIsClosedWhenAllIsSettled: it is closed late enough to store its acks, but no later
// than it may take to end; the successor starts at once when the predecessor has ended, and the
// counts go on.
func TestReplacedSourceIsClosedWhenAllIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		source := func(version int) SourceSpec {
			spec := partSource(j, "in", version, func(p *part) {
				p.from = func(ctx context.Context, out plugin.Output) error {
					return emits(3, func(err error) { j.add("in%d: ack %v", version, err) }).Run(ctx, still{out})
				}
			})
			spec.Type = spec.Type.With(plugin.Replays)
			return spec
		}
		slow := partSink(j, "out", 1, func(p *part) {
			p.write = func(context.Context, []*event.Event) error { time.Sleep(5 * time.Second); return nil }
		})
		slow.Delivery.Queue.Batch = 1
		graph := func(version int) Graph {
			return Graph{Sources: []SourceSpec{source(version)}, Sinks: []SinkSpec{slow}, Routes: routeTo("out")}
		}
		r := start(t, graph(1))
		synctest.Wait()
		j.take()
		if err := r.reload(t, graph(2)); err != nil { // 3 writes of 5 s, and 10 s until what is replaced must end
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got := j.take()
		closed := slices.Index(got, "in1 closed")
		if closed < 0 || !slices.Contains(got[:closed], "in1: ack <nil>") {
			t.Errorf("%q", got)
		}
		if st := r.Status().Sources[0]; st.Emitted != 6 || st.Acked != 6 || st.Gaps != 0 {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
