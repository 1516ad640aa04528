package router

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

// failingGaps is a sink that fails to take gaps for a while.
type failingGaps struct {
	gapSink
	mu   sync.Mutex
	errs []error // of the first calls; nil: a panic
}

func (s *failingGaps) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = nil
}

func (s *failingGaps) Gap(ctx context.Context, g plugin.Gap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		if err == nil {
			panic("told")
		}
		return err
	}
	return s.gapSink.Gap(ctx, g)
}

// gapThenEvent reports a gap, and then emits an event.
func gapThenEvent(ctx context.Context, out plugin.Output) error {
	out.Gap("lost")
	out.Ready()
	if err := out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte("1")}}}); err != nil {
		return plugin.UnlessDone(ctx, err)
	}
	<-ctx.Done()
	return nil
}

// TestGapsAreToldAgain: a sink that cannot take a gap now gets it when it can, before the
// events behind it. A gap that it can never take holds nothing up, nor does a panic.
func TestGapsAreToldAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		errs []error
		want []string
		ups  bool
	}{
		"away":    {[]error{errSink, errSink, errSink, errSink}, []string{"gap of in: lost", "1"}, true},
		"never":   {[]error{plugin.Permanent(errSink)}, []string{"1"}, true},
		"panics":  {[]error{nil}, []string{"1"}, true},
		"at once": {nil, []string{"gap of in: lost", "1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &failingGaps{errs: tc.errs}
				r := start(t, Graph{
					Sources: []SourceSpec{sourceSpec("in", sourceFunc(gapThenEvent))},
					Sinks:   []SinkSpec{sinkSpec("out", sink, nil)}, Routes: routeTo("out"),
				})
				time.Sleep(time.Minute)
				if st := r.Status().Sinks[0]; st.Up != tc.ups || st.Delivered != 1 {
					t.Errorf("%+v", st)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if !slices.Equal(sink.got, tc.want) {
					t.Errorf("got %q, want %q", sink.got, tc.want)
				}
			})
		})
	}
}

// TestAGapThatWasNotToldOutlivesAReload: the successor of its sink tells it.
func TestAGapThatWasNotToldOutlivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := &failingGaps{errs: slices.Repeat([]error{errSink}, 1000)}
		graph := func(sink plugin.Sink, size int) Graph {
			return Graph{
				Sources: []SourceSpec{sourceSpec("in", sourceFunc(gapThenEvent))},
				Sinks:   []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) { d.Queue.Size = size })}, Routes: routeTo("out"),
				DrainTimeout: 10 * time.Second,
			}
		}
		r := start(t, graph(away, 10))
		time.Sleep(time.Second)
		p, err := r.Plan(graph(away, 11), table{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(t.Context(), p, func() {}); err != nil {
			t.Fatal(err)
		}
		away.heal()
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"gap of in: lost", "1"}; !slices.Equal(away.got, want) {
			t.Errorf("got %q, want %q", away.got, want)
		}
	})
}

// TestStartsAreGaps: a source that cannot replay begins with one gap, and begins anew with
// one, whether its plugin reports it or not; one that replays with none.
func TestStartsAreGaps(t *testing.T) {
	for _, says := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			runs := 0
			source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
				if runs++; runs > 1 && says {
					out.Gap("connected anew")
				}
				out.Ready()
				if runs < 3 {
					return errSink
				}
				<-ctx.Done()
				return nil
			})
			sink := &gapSink{}
			replays := sourceSpec("replays", emits(0, nil))
			replays.Type = replays.Type.With(plugin.Replays)
			r := start(t, Graph{
				Sources: []SourceSpec{sourceSpec("in", source), replays},
				Sinks:   []SinkSpec{sinkSpec("out", sink, nil), sinkSpec("other", &gapSink{}, nil)},
				Routes:  append(routeTo("out"), RouteSpec{Name: "replays", From: []string{"replays"}, To: []string{"other"}}),
			})
			time.Sleep(time.Minute)
			st := r.Status()
			if a, b := st.Sources[0], st.Sources[1]; a.Gaps != 3 || a.GapsAtStart != 1 || b.Gaps != 0 {
				t.Errorf("%+v and %+v", a, b)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if sink.begins != 1 || len(sink.got) != 2 {
				t.Errorf("%d, %q", sink.begins, sink.got)
			}
		})
	}
}

// TestGapsOfOthersArePassedOn, in order, and are not counted as the source's own. Whatever
// names they bring, one waits per place.
func TestGapsOfOthersArePassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			for i := range 100 {
				out.ForwardGap(plugin.Gap{Source: fmt.Sprint("elsewhere ", i), Reason: "lost", ID: fmt.Sprint(i)})
			}
			return gapThenEvent(ctx, out)
		})
		sink := &gapSink{}
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", &opener{failures: 3}, nil), sinkSpec("fast", sink, nil)}, Routes: routeTo("out", "fast")})
		synctest.Wait()
		if st := r.Status().Sources[0]; st.Gaps != 1 || st.GapsAtStart != 1 || st.GapsPassedOn != 100 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if n := len(sink.got); n < 1 || sink.got[n-1] != "1" {
			t.Errorf("got %q", sink.got)
		}
	})
}

// partlyFailing is a sink that never takes some events.
type partlyFailing struct{ gapSink }

func (s *partlyFailing) Write(ctx context.Context, events []*event.Event) error {
	failed := map[int]error{}
	for i, e := range events {
		if string(e.Data) == "1" {
			failed[i] = plugin.Permanent(errSink)
			continue
		}
		_ = s.gapSink.Write(ctx, events[i:i+1])
	}
	if len(failed) > 0 {
		return plugin.Failed(failed)
	}
	return nil
}

// TestParkedEventsAreTold by a sink that passes gaps on: who reads behind it misses them.
func TestParkedEventsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &partlyFailing{}
		r := start(t, Graph{
			Sources: []SourceSpec{sourceSpec("in", emits(3, nil))},
			Sinks:   []SinkSpec{sinkSpec("out", sink, func(d *delivery.Options) { d.Queue.Batch = 1 })}, Routes: routeTo("out"),
		})
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"0", "gap of : events could not be delivered, and were parked", "2"}; !slices.Equal(sink.got, want) {
			t.Errorf("got %q, want %q", sink.got, want)
		}
	})
}
