package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

func when(t *testing.T, source string) (c expr.Condition) {
	if err := c.UnmarshalText([]byte(source)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRoutesChoose: each event goes where a condition holds, to both of two, and where
// none does, to each else; one that cannot be judged is parked and is not else's.
func TestRoutesChoose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		low, high, rest, all := &gapSink{}, &gapSink{}, &gapSink{}, &gapSink{}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(6, nil)), sourceSpec("other", emits(1, nil))},
			Sinks:   []SinkSpec{sinkSpec("low", low, nil), sinkSpec("high", high, nil), sinkSpec("rest", rest, nil), sinkSpec("all", all, nil)},
			Routes: []RouteSpec{
				{Name: "rest", From: []string{"in"}, To: []string{"rest"}, Else: true},
				{Name: "rest_even", From: []string{"in"}, To: []string{"rest"}, Else: true, When: when(t, "payload == 4")},
				{Name: "low", From: []string{"in"}, To: []string{"low"}, When: when(t, "payload < 3")},
				{Name: "high", From: []string{"in"}, To: []string{"high"}, When: when(t, "payload == 2 || payload == 3 && payload.x")},
				{Name: "all", From: []string{"other"}, To: []string{"all"}},
			},
		})
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		for name, c := range map[string]struct{ got, want []string }{
			"low": {low.got, []string{"0", "1", "2"}}, "high": {high.got, []string{"2"}},
			"rest": {rest.got, []string{"4", "4", "5"}}, "all": {all.got, []string{"0"}},
		} {
			if !slices.Equal(c.got, c.want) {
				t.Errorf("%s got %q, want %q", name, c.got, c.want)
			}
		}
		want := stats.RouteCounts{In: 6, Filtered: 4, DeadLettered: 1, Out: 1}
		if st := r.Status(); st.Routes[3].RouteCounts != want {
			t.Errorf("%+v", st.Routes[3].RouteCounts)
		}
		if letters, _ := latestLetters(r.Router); len(letters) != 1 || letters[0].Component != "route high, when" || string(letters[0].Data) != "3" {
			t.Errorf("%+v", letters)
		}
	})
}

// TestRoutesToOneSinkKeepOrder proves that a sink gets the events of a batch in their order, although different routes of
// the source lead to it.
func TestRoutesToOneSinkKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, other := &gapSink{}, &gapSink{}
		src := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			for from := range 2 {
				var b event.Batch
				for n := range 6 {
					b.Events = append(b.Events, &event.Event{Data: fmt.Append(nil, 6*from+n), Key: "k"})
				}
				_ = out.Emit(ctx, b)
			}
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", src)},
			Sinks:   []SinkSpec{sinkSpec("out", sink, nil), sinkSpec("other", other, nil)},
			Routes: []RouteSpec{
				{Name: "rest", From: []string{"in"}, To: []string{"out"}, Else: true},
				{Name: "even", From: []string{"in"}, To: []string{"other", "out"}, When: when(t, "payload % 2 == 0")},
				{Name: "third", From: []string{"in"}, To: []string{"out"}, When: when(t, "payload % 3 == 0 && payload % 2 != 0")},
			},
		})
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}; !slices.Equal(sink.got, want) {
			t.Errorf("got %q", sink.got)
		}
		if want := []string{"0", "2", "4", "6", "8", "10"}; !slices.Equal(other.got, want) {
			t.Errorf("the other sink got %q", other.got)
		}
		for _, route := range r.Status().Routes {
			if c := route.RouteCounts; c.In != 12 || c.In != c.Filtered+c.Out {
				t.Errorf("%s: %+v", route.Name, c)
			}
		}
	})
}

func TestOnError(t *testing.T) {
	for onError, c := range map[string]struct {
		got  []string
		want stats.RouteCounts
	}{
		OnErrorDeadLetter: {[]string{"0", "2"}, stats.RouteCounts{In: 3, DeadLettered: 1, Out: 2}},
		OnErrorDrop:       {[]string{"0", "2"}, stats.RouteCounts{In: 3, Dropped: 1, Out: 2}},
		OnErrorPass:       {[]string{"0", "1", "2"}, stats.RouteCounts{In: 3, Out: 3}},
	} {
		synctest.Test(t, func(t *testing.T) {
			sink := &gapSink{}
			fails := transformSpec(func(e *event.Event, emit func(*event.Event)) error {
				if string(e.Data) == "1" {
					emit(e)
					emit(e)
					return errors.New("fails")
				}
				emit(e)
				return nil
			})
			fails.Failure.OnError = onError
			r := start(t, Graph{
				Sources: []SourceSpec{sourceSpec("in", emits(3, nil))},
				Sinks:   []SinkSpec{sinkSpec("out", sink, nil)},
				Routes:  []RouteSpec{{Name: "r", From: []string{"in"}, To: []string{"out"}, Through: []TransformSpec{fails}}},
			})
			synctest.Wait()
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			st := r.Status().Routes[0]
			if !slices.Equal(sink.got, c.got) || st.RouteCounts != c.want || st.Errors != 1 {
				t.Errorf("%s: got %q, %+v", onError, sink.got, st)
			}
		})
	}
}

// TestRouteAllocatesNothing: a route without transforms passes events on as they are.
func TestRouteAllocatesNothing(t *testing.T) {
	events := []*event.Event{{Data: make([]byte, 1<<20)}}
	r := &route{health: stats.NewMonitor(nil), record: &stats.RouteRecord{}}
	if n := testing.AllocsPerRun(100, func() {
		if err := r.carry(t.Context(), events, nil, nil, nil); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for an event", n)
	}
}
