package plugintest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// SinkHarness says how to test one sink.
type SinkHarness struct {
	Type plugin.SinkType
	// Reachable sets options with which the sink delivers; Unreachable such with
	// which nobody answers, nil where a sink needs nobody.
	Reachable, Unreachable func(opts any)
	// Receive is called with the environment before anything is written, and
	// returns a function that returns the next payload that arrived.
	Receive func(t *testing.T, env plugin.Env) (next func() string)
}

// Sink runs the suite on a sink.
func Sink(t *testing.T, h SinkHarness) {
	t.Run("documented", func(t *testing.T) { documented(t, h.Type) })
	t.Run("delivers in order", func(t *testing.T) {
		env := Env(t)
		s := build(t, h.Type, h.Reachable, env)
		open(t, s)
		next := h.Receive(t, env)
		most := 10
		if n, bounded := h.Type.MaxBatch(); bounded {
			most = min(most, n)
		}
		n := 0
		for range 3 {
			batch, before := events(n, most)
			if err := within(t, func() error { return s.Write(t.Context(), batch) }); err != nil {
				t.Fatalf("Write: %v", err)
			}
			for i, e := range batch {
				if got := next(); got != before[i] {
					t.Errorf("event %d arrived as %s, want %s", n+i, got, before[i])
				}
				if string(e.Data) != before[i] {
					t.Errorf("Write changed the event to %s", e.Data)
				}
			}
			n += most
		}
		switch g := s.(type) {
		case plugin.GapSink:
			gap := plugin.Gap{Source: "x", Reason: "conformance", ID: "1", Time: time.Now()}
			if err := within(t, func() error { return g.Gap(t.Context(), gap) }); err != nil {
				t.Errorf("Gap: %v", err)
			}
			batch, before := events(n, 1) // a gap is no event, and events go on behind it
			if err := within(t, func() error { return s.Write(t.Context(), batch) }); err != nil {
				t.Fatalf("Write behind a gap: %v", err)
			}
			if got := next(); got != before[0] {
				t.Errorf("behind a gap %s arrived, want %s", got, before[0])
			}
		case interface {
			Gap(context.Context, plugin.Gap)
		}:
			t.Error("Gap returns no error, so that it is never called: see plugin.GapSink")
		}
		closeSink(t, s)
	})
	t.Run("survives a cancelled write", func(t *testing.T) {
		s := build(t, h.Type, h.Reachable, Env(t))
		open(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		batch, _ := events(0, 1)
		if err := within(t, func() error { return s.Write(ctx, batch) }); plugin.IsPermanent(err) {
			t.Errorf("a cancelled write is no verdict on the event, but: %v", err)
		}
		closeSink(t, s)
	})
	if h.Type.Has(plugin.Concurrent) {
		t.Run("takes concurrent writes", func(t *testing.T) { concurrent(t, h) })
	}
	if h.Unreachable == nil {
		return
	}
	t.Run("unreachable", func(t *testing.T) { // built without I/O; the error asks for a retry
		s := build(t, h.Type, h.Unreachable, Env(t))
		err := within(t, func() error {
			if o, ok := s.(plugin.Opener); ok {
				return o.Open(t.Context())
			}
			batch, _ := events(0, 1)
			return s.Write(t.Context(), batch)
		})
		if err == nil || plugin.IsPermanent(err) {
			t.Errorf("the error is %v; want one that is worth a retry", err)
		}
		closeSink(t, s)
	})
}

// concurrent has several goroutines write at the same time; the race detector looks on.
func concurrent(t *testing.T, h SinkHarness) {
	const writers, writes = 4, 10
	env := Env(t)
	s := build(t, h.Type, h.Reachable, env)
	open(t, s)
	next := h.Receive(t, env)
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range writes {
				batch, _ := events(w*writes+i, 1)
				if err := s.Write(t.Context(), batch); err != nil {
					t.Errorf("Write: %v", err)
				}
			}
		})
	}
	got := map[string]bool{}
	for range writers * writes {
		got[next()] = true
	}
	if len(got) != writers*writes {
		t.Errorf("%d different events arrived of %d", len(got), writers*writes)
	}
	_ = within(t, func() error { writing.Wait(); return nil })
	closeSink(t, s)
}

// events makes n events, the first with number from, and returns their payloads too.
func events(from, n int) (batch []*event.Event, payloads []string) {
	for i := range n {
		payload := fmt.Sprintf(`{"number":%d,"text":"é"}`, from+i)
		payloads = append(payloads, payload)
		batch = append(batch, &event.Event{Source: "test", Channel: "test", Time: time.Now(), Data: []byte(payload)})
	}
	return batch, payloads
}

func open(t *testing.T, s plugin.Sink) {
	t.Helper()
	if o, ok := s.(plugin.Opener); ok {
		if err := within(t, func() error { return o.Open(t.Context()) }); err != nil {
			t.Fatalf("Open: %v", err)
		}
	}
}

func closeSink(t *testing.T, s plugin.Sink) {
	t.Helper()
	if c, ok := s.(plugin.Closer); ok {
		if err := within(t, func() error { return c.Close(t.Context()) }); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
