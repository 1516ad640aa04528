package router

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/stats"
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
		if letters, _ := r.DeadLetters(); len(letters) != 1 || letters[0].Component != "route high, when" || string(letters[0].Data) != "3" {
			t.Errorf("%+v", letters)
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
