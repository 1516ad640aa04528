package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// randomSink is a sink that delivers, fails and panics as it was drawn, and notes what
// it has delivered.
type randomSink struct {
	verdicts []int
	whole    bool // never fails a part of a batch

	mu    sync.Mutex
	calls int
	got   map[string][]int // numbers by key, as they were delivered
	all   []*event.Event   // as they were delivered
}

var errMood = errors.New("not in the mood")

func (m *randomSink) Write(_ context.Context, events []*event.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	failed := map[int]error{}
	if m.verdicts[m.calls%len(m.verdicts)] == 0 {
		return errMood
	}
	for i, e := range events {
		switch m.verdicts[(m.calls+i)%len(m.verdicts)] {
		case 1:
			if !m.whole {
				failed[i] = errMood
				continue
			}
		case 2:
			if !m.whole {
				failed[i] = plugin.Permanent(errMood)
				continue
			}
		case 3:
			panic("randomSink")
		}
		n, err := strconv.Atoi(string(e.Data))
		if err != nil {
			return plugin.Permanent(err)
		}
		m.got[e.Key], m.all = append(m.got[e.Key], n), append(m.all, e)
	}
	if len(failed) > 0 {
		return plugin.Failed(failed)
	}
	return nil
}

func (m *randomSink) has(key string, n int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, got := range m.got[key] {
		if got == n {
			return true
		}
	}
	return false
}

// scenario is one drawn graph, what is emitted, and what happens meanwhile.
type scenario struct {
	sinks   []SinkSpec // the last one is for dead letters
	plugins []*randomSink
	batches []int
	reloads []int // which sink gets other settings
	window  int   // size of the windows that events go through; 0: none
	spans   int   // one event in so many changes the key of its row; 0: none

	unordered, parks map[string]bool // sinks whose ordering a reload has changed, and that park or have parked
}

func drawScenario(t *rapid.T) *scenario {
	sc := &scenario{
		batches: rapid.SliceOfN(rapid.IntRange(1, 6), 1, 25).Draw(t, "batches"),
		reloads: rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(t, "reloads"),
		spans:   rapid.SampledFrom([]int{0, 2, 5, 9}).Draw(t, "spans"),
		window:  rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "window"),

		unordered: map[string]bool{}, parks: map[string]bool{},
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "sinks") {
		name := fmt.Sprint("s", i)
		m := &randomSink{got: map[string][]int{}, whole: rapid.Bool().Draw(t, "whole"), verdicts: rapid.SliceOfN(rapid.IntRange(0, 30), 1, 30).Draw(t, "verdicts")}
		m.verdicts = append(m.verdicts, 9) // or nothing would ever get on
		sc.plugins = append(sc.plugins, m)
		sc.sinks = append(sc.sinks, sinkSpec(name, m, func(d *delivery.Options) {
			d.Queue.Size = rapid.IntRange(1, 20).Draw(t, "size")
			d.Queue.Batch = rapid.SampledFrom([]int{1, 1, 2, 5, 8}).Draw(t, "batch")
			d.Ordering = rapid.SampledFrom([]string{delivery.OrderingKey, delivery.OrderingKey, delivery.OrderingNone}).Draw(t, "ordering")
			d.Breaker = delivery.BreakerOptions{Failures: rapid.IntRange(0, 3).Draw(t, "failures"), Pause: options.Duration(time.Millisecond)}
			d.Queue.WhenFull = rapid.SampledFrom([]string{queue.WhenFullBlock, queue.WhenFullBlock, queue.WhenFullDropOldest, queue.WhenFullDropNewest, queue.WhenFullLatestPerKey}).Draw(t, "when_full")
			d.Workers = rapid.IntRange(1, 3).Draw(t, "workers")
			d.BestEffort = rapid.IntRange(0, 4).Draw(t, "best_effort") == 0
			d.Retry = delivery.Retry{Initial: options.Duration(time.Millisecond), Max: options.Duration(time.Millisecond), Attempts: rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "attempts")}
			if rapid.Bool().Draw(t, "scheduled") {
				d.Retry.Schedule = []options.Duration{options.Duration(time.Millisecond), options.Duration(2 * time.Millisecond)}
			}
			d.DeadLetter = rapid.SampledFrom([]string{"", "parked"}).Draw(t, "dead_letter")
			sc.parks[name] = d.DeadLetter != ""
		}))
	}
	parked := &randomSink{got: map[string][]int{}, whole: true, verdicts: []int{9}}
	sc.plugins = append(sc.plugins, parked)
	sc.sinks = append(sc.sinks, sinkSpec("parked", parked, nil))
	return sc
}

func (sc *scenario) graph(source SourceSpec) Graph {
	g := Graph{Sources: []SourceSpec{source}, Sinks: append([]SinkSpec{}, sc.sinks...), DrainTimeout: time.Second}
	r := RouteSpec{Name: "r", From: []string{source.Name}}
	for _, s := range sc.sinks[:len(sc.sinks)-1] {
		r.To = append(r.To, s.Name)
	}
	if sc.window > 0 {
		r.Through = []TransformSpec{batchSpec(passes, func(w *Window) { w.Size, w.Time = sc.window, options.Duration(time.Millisecond) })}
	}
	g.Routes = []RouteSpec{r}
	return g
}

// ledger notes how each batch was settled.
type ledger struct {
	mu    sync.Mutex
	calls []int
	errs  []error
}

// event is the one with a number: a row of a table, some of which change their keys, or TRUNCATE.
func (sc *scenario) event(number int) *event.Event {
	e := &event.Event{Key: keyOf(number), Time: time.Now(), Data: strconv.AppendInt(nil, int64(number), 10)}
	e.Attrs = []event.Attr{{Name: event.AttrTable, Value: "t"}}
	switch {
	case sc.spans > 0 && number%sc.spans == 0:
		e.Attrs = append(e.Attrs, event.Attr{Name: event.AttrKeyBefore, Value: keyOf(number + 1)})
	case sc.spans > 0 && number%(2*sc.spans) == 1:
		e.Attrs = append(e.Attrs, event.Attr{Name: event.AttrBarrier, Value: "t"})
	}
	return e
}

func keyOf(number int) string { return fmt.Sprint("t:", number%4) }

// emitAll is a source that emits the batches of sc, each once.
func (sc *scenario) emitAll(l *ledger, all chan<- struct{}) plugin.Source {
	return sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		number := 0
		for i, n := range sc.batches {
			var b event.Batch
			for range n {
				b.Events = append(b.Events, sc.event(number))
				number++
			}
			b.Ack = ackTo(func(err error) {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.calls[i]++
				l.errs[i] = err
			})
			_ = out.Emit(ctx, b) // settled, whatever it returns
		}
		close(all)
		<-ctx.Done()
		return nil
	})
}

// TestEveryEventIsAccountedFor drives whole routers: with sinks that fail in every
// way, queues of every policy, several workers, dead letters, and reloads under way that change them.
// Every batch is settled exactly once; an ack means that each required sink, or its
// dead-letter sink, has every event of it; a key's events stay in order; and the
// conservation law holds.
func TestEveryEventIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := drawScenario(t)
		l := &ledger{calls: make([]int, len(sc.batches)), errs: make([]error, len(sc.batches))}
		all := make(chan struct{})
		source := sourceSpec("in", sc.emitAll(l, all))
		r := New(slog.New(slog.DiscardHandler))
		p, err := r.Plan(sc.graph(source), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx, p) }()
		awaitRunning(r)
		for i, n := range sc.reloads {
			sc.change(t, n)
			next, err := r.Plan(sc.graph(source), nil)
			if err == nil {
				err = r.Reload(context.Background(), next, func() {})
			}
			if err != nil {
				t.Fatalf("reload %d: %v", i, err)
			}
		}
		select {
		case <-all:
		case <-time.After(time.Minute):
			t.Fatalf("still emitting: %+v", r.Status())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if err := r.Status().ConservedAtRest(); err != nil {
			t.Fatal(err)
		}
		sc.check(t, l)
	})
}

func awaitRunning(r *Router) {
	for {
		r.mu.Lock()
		running := r.running
		r.mu.Unlock()
		if running {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func (sc *scenario) check(t *rapid.T, l *ledger) {
	number := 0
	parked := sc.plugins[len(sc.plugins)-1]
	for i, n := range sc.batches {
		if l.calls[i] != 1 {
			t.Fatalf("batch %d was settled %d times", i, l.calls[i])
		}
		for range n {
			key := keyOf(number)
			for j, s := range sc.sinks[:len(sc.sinks)-1] {
				if l.errs[i] == nil && !s.Delivery.BestEffort && !sc.plugins[j].has(key, number) && !(sc.parks[s.Name] && parked.has(key, number)) {
					t.Fatalf("batch %d was acked, but %s has no event %d", i, s.Name, number)
				}
			}
			number++
		}
	}
	for j, m := range sc.plugins[:len(sc.plugins)-1] {
		d := sc.sinks[j].Delivery
		if sc.unordered[sc.sinks[j].Name] {
			continue
		}
		if !m.whole && d.Queue.Batch > 1 || slices.Contains(m.verdicts, 3) { // what failed in the middle of a batch comes later
			continue
		}
		if d.Ordering == delivery.OrderingNone && (d.Workers > 1 || !m.whole || len(d.Retry.Schedule) > 0) {
			continue
		}
		if !inOrder(m.all) && d.Ordering == delivery.OrderingKey {
			t.Fatalf("sink %d got events out of order: %q", j, texts(m.all))
		}
		for key, got := range m.got {
			if !slices.IsSorted(got) {
				t.Fatalf("sink %d got the events of key %s out of order: %v", j, key, got)
			}
		}
	}
}
