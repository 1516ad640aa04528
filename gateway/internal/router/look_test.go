package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/plugin"
)

func keepingSpec(f transformFunc) TransformSpec {
	s := transformSpec(f)
	s.Type, s.Failure = s.Type.With(plugin.KeepsFields), DefaultFailure()
	return s
}

// watched is a graph of one source, which emits payloads once each place has a viewer.
type watched struct {
	r       *started
	viewers map[string]*tap.Viewer
}

func watchGraph(t *testing.T, g Graph, acks bool, payloads []string, places ...string) watched {
	t.Helper()
	begin := make(chan struct{})
	g.Sources = []SourceSpec{sourceSpec("in", sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		select {
		case <-begin:
		case <-ctx.Done():
			return nil
		}
		var b event.Batch
		for _, text := range payloads {
			b.Events = append(b.Events, &event.Event{ID: text, Data: []byte(text)})
		}
		if acks {
			b.Ack = ackTo(func(error) {})
		}
		_ = out.Emit(ctx, b)
		<-ctx.Done()
		return nil
	}))}
	w := watched{r: start(t, g), viewers: map[string]*tap.Viewer{}}
	synctest.Wait()
	for _, at := range places {
		v, err := w.r.Taps().Watch(at, tap.Options{Limit: tap.MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		w.viewers[at] = v
	}
	close(begin)
	synctest.Wait()
	return w
}

// items returns what a viewer has seen.
func (w watched) items(at string) (items []*tap.Item) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	v := w.viewers[at]
	for {
		item := v.Next(ctx)
		if item == nil {
			return items
		}
		items = append(items, item)
	}
}

func (w watched) end(t *testing.T) {
	t.Helper()
	for _, v := range w.viewers {
		v.Close()
	}
	if err := w.r.stop(); err != nil {
		t.Error(err)
	}
}

// summary returns the payload, the outcomes of the steps, and the outcome of an item.
func summary(it *tap.Item) string {
	s := it.Events[0].Payload
	for _, step := range it.Steps {
		s += fmt.Sprintf(" %d:%s:%s", step.Stage, step.Transform, step.Outcome)
		for _, after := range step.After {
			s += "=" + after.Payload
		}
	}
	s += " " + it.Outcome
	if it.Reason != "" {
		s += " (" + it.Reason + ")"
	}
	return s + strings.Join(append([]string{""}, it.To...), " > ")
}

// TestTapShowsRoute proves what a tap of a route shows of events that are changed, split, filtered, dropped, parked, returned
// and collected.
func TestTapShowsRoute(t *testing.T) {
	failing := func(on string) TransformSpec {
		s := keepingSpec(func(e *event.Event, emit func(*event.Event)) error {
			switch string(e.Data) {
			case "bad":
				return errors.New("no good")
			case "none":
				return nil
			case "two":
				emit(e.WithData([]byte("t1")))
				emit(e.WithData([]byte("t2")))
				return nil
			}
			emit(e)
			return nil
		})
		s.Failure.OnError = on
		return s
	}
	second := keepingSpec(func(e *event.Event, emit func(*event.Event)) error {
		if string(e.Data) != "t2" {
			emit(e.WithData(append([]byte(nil), e.Data[0], '!')))
		}
		return nil
	})
	for name, c := range map[string]struct {
		first TransformSpec
		acks  bool
		bad   string
	}{
		"pass":   {failing(OnErrorPass), true, "bad 0:t:passed=bad 1:t:applied=b! sent > out"},
		"drop":   {failing(OnErrorDrop), true, "bad 0:t:dropped dropped (no good)"},
		"park":   {failing(DefaultFailure().OnError), false, "bad 0:t:dead_lettered dead_lettered (no good)"},
		"return": {failing(DefaultFailure().OnError), true, "bad 0:t:returned returned (no good)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := Graph{Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: []TransformSpec{c.first, second}, To: []string{"out"}}}}
				w := watchGraph(t, g, c.acks, []string{"good", "bad", "none", "two"}, "route.r", "source.in", "dead_letters")
				var got []string
				for _, it := range w.items("route.r") {
					got = append(got, summary(it))
				}
				want := []string{
					"good 0:t:applied=good 1:t:applied=g! sent > out", c.bad, "none 0:t:filtered filtered",
					"two 0:t:applied=t1=t2 1:t:applied=t! 1:t:filtered sent > out",
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if got := len(w.items("source.in")); got != 4 {
					t.Errorf("the source has emitted %d", got)
				}
				parked := w.items("dead_letters")
				if fails := name == "park" || name == "return"; fails != (len(parked) == 1) {
					t.Errorf("%d dead letters", len(parked))
				}
				for _, it := range parked {
					if want := map[bool]string{false: "dead_lettered > memory", true: "returned"}[c.acks]; !strings.HasPrefix(it.Component, "route r, transform t") || !strings.HasSuffix(strings.Replace(summary(it), " (no good)", "", 1), want) {
						t.Errorf("%s: %s", it.Component, summary(it))
					}
				}
				w.end(t)
			})
		})
	}
}

// TestTapShowsWindows proves that a tap shows events that wait in a window, and then the window and what was made of it.
func TestTapShowsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := Graph{Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: []TransformSpec{batchSpec(merges, sized(2))}, To: []string{"out"}}}}
		w := watchGraph(t, g, true, []string{"a", "b"}, "r")
		var got []string
		for _, it := range w.items("r") {
			got = append(got, fmt.Sprint(it.Count, " ", summary(it)))
		}
		if text := strings.Join(got, ", "); text != "2 a 0:w:applied=a+b sent > out, 1 a 0:w:held held, 1 b 0:w:held held" {
			t.Error(text)
		}
		w.end(t)
	})
}

// TestTapShowsSink proves what a tap of a sink shows of events that are retried, delivered and parked.
func TestTapShowsSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried := false
		sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
			switch {
			case string(events[0].Data) == "never":
				return plugin.Permanent(errors.New("refused"))
			case string(events[0].Data) == "later" && !tried:
				tried = true
				return errors.New("busy")
			}
			return nil
		})
		one := func(o *delivery.Options) { o.Queue.Batch = 1 }
		g := Graph{Sinks: []SinkSpec{sinkSpec("out", sink, one)}, Routes: routeTo("out")}
		w := watchGraph(t, g, false, []string{"later", "never"}, "sink.out")
		time.Sleep(time.Minute)
		synctest.Wait()
		var got []string
		for _, it := range w.items("sink.out") {
			got = append(got, fmt.Sprint(summary(it), it.Attempts))
		}
		want := "later enqueued0, never enqueued0, later failed (busy)1, later delivered1, never dead_lettered (refused)1"
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("\n%s\nwant\n%s", text, want)
		}
		w.end(t)
	})
}
