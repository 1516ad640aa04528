package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

type storeOptions struct{ Stream, Name string }

func (o *storeOptions) HistoryID() (string, error) {
	if o.Stream == "" {
		return "", errors.New("it has none")
	}
	return o.Stream, nil
}

type keeperOptions struct{ Range time.Duration }

func (o *keeperOptions) HistoryRange() time.Duration { return o.Range }

// store is a source with a history of all entries that were appended.
type store struct {
	mu      sync.Mutex
	entries []*event.Event
	changed chan struct{}
	down    error // of ReadHistory
	reads   int
}

func (s *store) append(payloads ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range payloads {
		s.entries = append(s.entries, &event.Event{Data: []byte(p), Position: event.Position{Major: uint64(len(s.entries) + 1)}})
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *store) after(n int) (entries []*event.Event, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	for _, e := range s.entries[n:] {
		c := *e
		entries = append(entries, &c)
	}
	return entries, s.changed
}

// Run emits what is appended from now on.
func (s *store) Run(ctx context.Context, out plugin.Output) error {
	s.mu.Lock()
	n := len(s.entries)
	s.mu.Unlock()
	out.Gap("it begins at the end")
	out.Ready()
	for {
		entries, changed := s.after(n)
		for _, e := range entries {
			if err := out.Emit(ctx, event.Batch{Events: []*event.Event{e}, Ack: ackTo(func(error) {})}); err != nil {
				return plugin.UnlessDone(ctx, err)
			}
		}
		n += len(entries)
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *store) ReadHistory(_ context.Context, _ time.Time, take func([]*event.Event) error) error {
	s.mu.Lock()
	s.reads++
	down := s.down
	s.mu.Unlock()
	entries, _ := s.after(0)
	for part := range slices.Chunk(entries, 2) {
		if err := take(part); err != nil {
			return err
		}
	}
	return down
}

func (s *store) spec(stream, name string) SourceSpec {
	t := plugin.NewSource("store", "", func() storeOptions { return storeOptions{} }, func(storeOptions, plugin.Env) (plugin.Source, error) { return s, nil }).With(plugin.Replays)
	return SourceSpec{Name: "in", Type: t, Options: &storeOptions{stream, name}}
}

// keeper is a sink that takes a history.
type keeper struct {
	mu  sync.Mutex
	id  string
	got []string // events of the history begin with h, live events with l, gaps with gap
}

func (k *keeper) add(prefix string, events ...*event.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range events {
		k.got = append(k.got, fmt.Sprintf("%s %s %v", prefix, e.Data, e.Position))
	}
}

func (k *keeper) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	got := k.got
	k.got = nil
	return got
}

func (k *keeper) Write(_ context.Context, events []*event.Event) error {
	k.add("l", events...)
	return nil
}

func (k *keeper) Gap(_ context.Context, g plugin.Gap) error {
	k.add("gap", &event.Event{Data: []byte(g.Reason)})
	return nil
}

func (k *keeper) FillHistory(_ context.Context, id string, read func(func([]*event.Event) error) error) error {
	k.mu.Lock()
	k.id, k.got = id, nil
	k.mu.Unlock()
	return read(func(events []*event.Event) error { k.add("h", events...); return nil })
}

func (k *keeper) spec(reach time.Duration) SinkSpec {
	t := plugin.NewSink("keeper", "", func() keeperOptions { return keeperOptions{} }, func(keeperOptions, plugin.Env) (plugin.Sink, error) { return k, nil })
	return SinkSpec{Name: "out", Type: t, Options: &keeperOptions{reach}, Delivery: delivery.DefaultOptions()}
}

func historyGraph(s *store, k *keeper) Graph {
	return Graph{Sources: []SourceSpec{s.spec("stream", "a")}, Sinks: []SinkSpec{k.spec(time.Minute)}, Routes: routeTo("out")}
}

// TestHistoryComesBeforeLiveEvents: the sink gets the history through the route, and then live events. The gap at the start
// of the source is in the history.
func TestHistoryComesBeforeLiveEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, k := &store{}, &keeper{}
		s.append("1", "2", "no", "3")
		g := historyGraph(s, k)
		g.Routes[0].Through = []TransformSpec{transformSpec(func(e *event.Event, emit func(*event.Event)) error {
			switch string(e.Data) {
			case "no":
				return errors.New("no")
			case "2":
				return nil
			}
			emit(e)
			emit(e.WithData([]byte("copy")))
			emit(&event.Event{Data: []byte("new")})
			return nil
		})}
		r := start(t, g)
		synctest.Wait()
		want := []string{"h 1 1-0", "h copy 1-0.1", "h new 1-0.2", "h 3 4-0", "h copy 4-0.1", "h new 4-0.2"}
		if got := k.take(); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		s.append("5")
		synctest.Wait()
		if got := k.take(); !slices.Equal(got, []string{"l 5 5-0", "l copy 5-0.1", "l new 5-0.2"}) {
			t.Errorf("got %q", got)
		}
		if n := r.Status().Routes[0].In; n != 1 {
			t.Errorf("the route counts %d events of the history", n)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestHistoryIsRetriedAndGivenUp: reading is tried again; after some time live events begin, after a gap.
func TestHistoryIsRetriedAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, k := &store{down: errors.New("down")}, &keeper{}
		s.append("1")
		r := start(t, historyGraph(s, k))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s.reads < 3 {
			t.Errorf("it was read %d times", s.reads)
		}
		s.append("2")
		time.Sleep(historyTimeout)
		synctest.Wait()
		got := k.take()
		if len(got) < 2 || !strings.HasPrefix(got[len(got)-2], "gap the history could not be read from the source in: down") || got[len(got)-1] != "l 2 2-0" {
			t.Errorf("got %q", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestHistoryWaitsForTheSource: a sink whose source is not ready does not keep the gateway from a stop.
func TestHistoryWaitsForTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{}
		g := historyGraph(&store{}, k)
		away := &away{store{}}
		typ := plugin.NewSource("store", "", func() storeOptions { return storeOptions{} }, func(storeOptions, plugin.Env) (plugin.Source, error) { return away, nil }).With(plugin.Replays)
		g.Sources[0].Type = typ
		r := start(t, g)
		synctest.Wait()
		begin := time.Now()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > time.Second {
			t.Errorf("the stop takes %v", d)
		}
	})
}

type away struct{ store }

func (*away) Run(context.Context, plugin.Output) error { return errors.New("away") }

// TestHistoryAcrossReloads: a sink keeps its history if the source is replaced by one of the same stream. The sink is replaced
// if the history is another one. A new sink fills its history while the source runs.
func TestHistoryAcrossReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, k := &store{}, &keeper{}
		s.append("1")
		r := start(t, historyGraph(s, k))
		synctest.Wait()
		k.take()
		first := k.id
		g := historyGraph(s, k)
		g.Sources[0].Options = &storeOptions{"stream", "b"}
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := k.take(); !slices.Equal(got, []string{"gap it begins at the end 0-0"}) || k.id != first {
			t.Errorf("got %q", got)
		}
		next := &keeper{}
		g.Sinks[0] = next.spec(time.Minute)
		g.Routes[0].When = when(t, "event.source == 'in'")
		s.append("2")
		synctest.Wait() // the former sink has it; else the new one may get it live as well
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := next.take(); !slices.Equal(got, []string{"h 1 1-0", "h 2 2-0"}) || next.id == first {
			t.Errorf("got %q of %q", got, next.id)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
