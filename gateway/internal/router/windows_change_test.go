package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

func timed(d time.Duration) func(*Window) {
	return func(w *Window) { w.Time = options.Duration(d) }
}

// TestWindowBeforeAGap: a gap stands behind what was held when it came.
func TestWindowBeforeAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &gapSink{}
		s := &script{steps: func(s *scripted) {
			s.emit("0", "1")
			s.out.Gap("connection lost")
			s.emit("2")
		}}
		r := start(t, windowed(s, out, batchSpec(merges, nil)))
		time.Sleep(2 * time.Second)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"0+1", "gap of in: connection lost", "2"}; !slices.Equal(out.got, want) {
			t.Errorf("got %q, want %q", out.got, want)
		}
	})
}

// TestWindowAfterWindow: what one makes is held by the next, and settles what it came of.
func TestWindowAfterWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &keeps{}
		s := &script{steps: func(s *scripted) { s.emit("0", "1", "2", "3", "4") }}
		second := batchSpec(merges, timed(time.Minute))
		second.Name = "second"
		plain := transformSpec(func(e *event.Event, emit func(*event.Event)) error {
			emit(e.WithData([]byte("<" + string(e.Data) + ">")))
			return nil
		})
		r := start(t, windowed(s, out, plain, batchSpec(merges, sized(2)), plain, second, plain))
		time.Sleep(10 * time.Second)
		if c := r.Status().Routes[0]; c.Held != 3 || c.Merged != 2 || len(s.acks.all()) != 0 {
			t.Errorf("%+v, acks %v", c, s.acks.all())
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := texts(out.got); !slices.Equal(got, []string{"<<<0>+<1>>+<<2>+<3>>+<<4>>>"}) || len(s.acks.all()) != 1 || s.acks.all()[0] != nil {
			t.Errorf("got %q, acks %v", got, s.acks.all())
		}
	})
}

// TestReloadEndsWindows: the route before flushes what it holds, before its successor begins; one that is
// equal runs on, and sends to where it leads now.
func TestReloadEndsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, other, s := &keeps{}, &keeps{}, &script{}
		next := make(chan string)
		s.steps = func(s *scripted) {
			for p := range next {
				s.emit(p)
			}
		}
		graph := func(size int, to ...string) Graph {
			g := windowed(s, out, batchSpec(merges, func(w *Window) { w.Size, w.Time = size, options.Duration(time.Minute) }))
			g.Sinks = append(g.Sinks, sinkSpec("other", other, nil))
			g.Routes[0].To = to
			return g
		}
		r := start(t, graph(100, "out"))
		next <- "0"
		if err := r.reload(t, graph(101, "out")); err != nil { // another window: another route
			t.Fatal(err)
		}
		next <- "1"
		synctest.Wait()
		if c := r.Status().Routes[0]; c.In != 2 || c.Out != 1 || c.Held != 1 || len(s.acks.all()) != 1 {
			t.Errorf("%+v, acks %v", c, s.acks.all())
		}
		if err := r.reload(t, graph(101, "out", "other")); err != nil {
			t.Fatal(err)
		}
		next <- "2"
		synctest.Wait()
		if c := r.Status().Routes[0]; c.Held != 2 {
			t.Errorf("%+v", c)
		}
		time.Sleep(2 * time.Minute)
		next <- "3"
		synctest.Wait()
		plain := graph(0, "out")
		plain.Routes[0].Through = nil
		if err := r.reload(t, plain); err != nil {
			t.Fatal(err)
		}
		next <- "4"
		synctest.Wait()
		next <- "5"
		close(next)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got, also := texts(out.got), texts(other.got); !slices.Equal(got, []string{"0", "1+2", "3", "4", "5"}) || !slices.Equal(also, []string{"1+2", "3"}) {
			t.Errorf("got %q and %q", got, also)
		}
		if acks := s.acks.all(); len(acks) != 6 || errors.Join(acks...) != nil {
			t.Errorf("acks %v", acks)
		}
	})
}

// TestSourceThatGoesEndsItsWindows: one that is replaced or removed gets its acks before it is closed.
func TestSourceThatGoesEndsItsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, out := &journal{}, &keeps{}
		graph := func(version int, names ...string) Graph {
			g := windowed(nil, out, batchSpec(merges, timed(10*time.Minute)))
			g.Sources, g.Routes[0].From = nil, names
			for _, name := range names {
				g.Sources = append(g.Sources, partSource(j, name, version, func(p *part) {
					p.from = func(ctx context.Context, o plugin.Output) error {
						_ = o.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte(p.name)}}, Ack: ackTo(func(err error) { j.add("%s acked %v", p.name, err) })})
						<-ctx.Done()
						return nil
					}
				}))
			}
			return g
		}
		r := start(t, graph(1, "in", "also"))
		synctest.Wait()
		j.take()
		begin := time.Now()
		if err := r.reload(t, graph(2, "in")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		lines := j.take()
		for _, name := range []string{"in1", "also1"} {
			if i, k := slices.Index(lines, name+" acked <nil>"), slices.Index(lines, name+" closed"); i < 0 || k < i || time.Since(begin) > time.Second {
				t.Errorf("%s, after %v: %q", name, time.Since(begin), lines)
			}
		}
		if c := r.Status().Routes[0]; c.Held != 1 {
			t.Errorf("%+v", c)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := j.take(); !slices.Contains(got, "in2 acked <nil>") {
			t.Errorf("%q", got)
		}
	})
}

// TestLostLeadershipGivesWindowsBack: the next leader brings what they hold.
func TestLostLeadershipGivesWindowsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &lockServer{changed: make(chan struct{})}
		var gone atomic.Bool
		out, acks, runs := &keeps{}, &notes[error]{}, 0
		c := &candidate{server: server, confirm: func(context.Context) error {
			if gone.Swap(false) {
				return errors.New("the server is gone")
			}
			return nil
		}}
		c.part = part{j: &journal{}, name: "a", from: func(ctx context.Context, o plugin.Output) error {
			runs++
			_ = o.Emit(ctx, event.Batch{Events: []*event.Event{{Data: fmt.Append(nil, runs)}}, Ack: ackTo(func(err error) { acks.add(err) })})
			<-ctx.Done()
			return ctx.Err()
		}}
		g := candidateGraph(c, out)
		g.Routes[0].Through = []TransformSpec{batchSpec(merges, timed(10*time.Minute))}
		r := start(t, g)
		time.Sleep(time.Second)
		gone.Store(true)
		time.Sleep(time.Minute)
		if got := acks.all(); len(got) != 1 || !errors.Is(got[0], ack.ErrNotLeading) {
			t.Errorf("acks %v", got)
		}
		if c := r.Status().Routes[0]; c.Returned != 1 || c.Held != 1 {
			t.Errorf("%+v", c)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := texts(out.got); !slices.Equal(got, []string{"2"}) || out.got[0].Fence == nil || out.got[0].Fence.Term != 2 {
			t.Errorf("got %q", got)
		}
	})
}

// TestWindowEmitsLate: what is emitted after the call is lost aloud.
func TestWindowEmitsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		emits := make(chan func(*event.Event), 1)
		out := &keeps{}
		s := &script{steps: func(s *scripted) { s.emit("0") }}
		r := start(t, windowed(s, out, batchSpec(func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
			emits <- emit
			emit(w.Events[0])
			return nil
		}, nil)))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		(<-emits)(&event.Event{})
		if s := r.plan.routes[0].stages[0].Health.Health(); !strings.Contains(s.LastError, "emit after Apply or ApplyBatch") {
			t.Errorf("%+v", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
