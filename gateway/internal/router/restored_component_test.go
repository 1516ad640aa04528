package router

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TestRestoredSinkWaitsForDrain proves that a sink which a reload removed and a later one restores begins after the drain
// of its predecessor.
func TestRestoredSinkWaitsForDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		emit := make(chan string)
		source := partSource(j, "in", 1, func(p *part) {
			p.from = func(ctx context.Context, out plugin.Output) error {
				for {
					select {
					case text := <-emit:
						_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Key: "k", Time: time.Now(), Data: []byte(text)}}})
					case <-ctx.Done():
						return nil
					}
				}
			}
		})
		slow := func() SinkSpec {
			s := partSink(j, "slow", 1, func(p *part) {
				p.write = func(_ context.Context, events []*event.Event) error {
					time.Sleep(time.Second)
					j.add("slow: %s", strings.Join(texts(events), " "))
					return nil
				}
			})
			s.Delivery.Queue.Batch = 1
			return s
		}
		r := start(t, Graph{Sources: []SourceSpec{source}, Sinks: []SinkSpec{slow()}, Routes: routeTo("slow")})
		for _, text := range []string{"a", "b", "c"} {
			emit <- text
		}
		synctest.Wait()
		if err := r.reload(t, Graph{Sources: []SourceSpec{source}, Sinks: []SinkSpec{partSink(j, "new", 1, nil)}, Routes: routeTo("new")}); err != nil {
			t.Fatal(err)
		}
		if err := r.reload(t, Graph{Sources: []SourceSpec{source}, Sinks: []SinkSpec{slow()}, Routes: routeTo("slow")}); err != nil {
			t.Fatal(err)
		}
		emit <- "d"
		time.Sleep(time.Minute)
		var got []string
		for _, line := range j.take() {
			if strings.HasPrefix(line, "slow: ") {
				got = append(got, line)
			}
		}
		if !slices.Equal(got, []string{"slow: a", "slow: b", "slow: c", "slow: d"}) {
			t.Errorf("got %q", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestRestoredSourceRunsOnce proves that a source which a reload removed and a later one restores does not run twice at
// once.
func TestRestoredSourceRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		source := func(name string) SourceSpec {
			return partSource(j, name, 1, func(p *part) {
				p.from = func(ctx context.Context, out plugin.Output) error {
					<-ctx.Done()
					if name == "in" {
						time.Sleep(2 * time.Second)
					}
					return nil
				}
			})
		}
		graph := func(name string) Graph {
			return Graph{Sources: []SourceSpec{source(name)}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: []RouteSpec{{Name: "r", From: []string{name}, To: []string{"out"}}}}
		}
		r := start(t, graph("in"))
		synctest.Wait()
		for _, name := range []string{"other", "in"} {
			if err := r.reload(t, graph(name)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		var got []string
		for _, line := range j.take() {
			if strings.HasPrefix(line, "in1") {
				got = append(got, line)
			}
		}
		if !slices.Equal(got, []string{"in1 runs", "in1 ended", "in1 closed", "in1 runs"}) {
			t.Errorf("got %q", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
