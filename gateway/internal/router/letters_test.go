package router

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// startWithStore starts a router that keeps dead letters in a store. When the test ends, no letter is left out without a count.
func startWithStore(t *testing.T, g Graph) (*started, *letters.Store) {
	t.Helper()
	r := newRouter(t)
	s := letters.New(letters.Options{Path: filepath.Join(t.TempDir(), "letters"), MaxBytes: 1 << 20}, r.log)
	r.KeepDeadLetters(s)
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return startOn(t, r, g), s
}

// replayAll replays the letters of a router that match, and returns what has become of them.
func replayAll(t *testing.T, r *Router, q letters.ReplayRequest) letters.ReplayState {
	t.Helper()
	replays := letters.NewReplays(r.DeadLetters(), r.Replay)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { replays.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended; replays.Close() }()
	var s letters.ReplayState
	for begun := false; !begun; time.Sleep(time.Millisecond) { // until Run runs
		var err error
		s, err = replays.Start(q)
		begun = err == nil
	}
	s, err := replays.Wait(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStoredLetterIsAcked proves that an event which a sink or a transform refuses is stored and acked where its source would get it back,
// that a letter which fails again stays the same letter, and that one which is delivered goes.
func TestStoredLetterIsAcked(t *testing.T) {
	var mended atomic.Bool
	delivered := make(chan string, 100)
	settled := make(chan error, 100)
	sink := sinkFunc(func(_ context.Context, events []*event.Event) error {
		failed := map[int]error{}
		for i, e := range events {
			if !mended.Load() && e.Data[0] == '1' {
				failed[i] = plugin.Permanent(errSink)
				continue
			}
			delivered <- string(e.Data)
		}
		if len(failed) > 0 {
			return plugin.Failed(failed)
		}
		return nil
	})
	once := transformFunc(func(e *event.Event, emit func(*event.Event)) error {
		emit(e.WithData(append(e.Data, '+')))
		return nil
	})
	refuses := transformFunc(func(e *event.Event, emit func(*event.Event)) error {
		if !mended.Load() && e.Data[0] == '2' {
			return errors.New("no two")
		}
		emit(e)
		return nil
	})
	route := routeTo("out")
	route[0].Through = []TransformSpec{transformSpec(once), transformSpec(refuses)}
	route[0].Through[1].Name = "refuses"
	r, store := startWithStore(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(4, func(err error) { settled <- err }))}, Sinks: []SinkSpec{sinkSpec("out", sink, nil)}, Routes: route})
	for range 4 {
		if err := <-settled; err != nil {
			t.Errorf("an event was nacked: %v", err)
		}
	}
	list, _ := latestLetters(r.Router)
	var got []string
	for _, l := range list {
		got = append(got, fmt.Sprintf("%s|%s|%s", l.Component, l.Place, l.Data))
	}
	slices.Sort(got)
	if want := []string{"route r, transform refuses|route r|2+", "sink out|sink out|1+"}; !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	s := replayAll(t, r.Router, letters.ReplayRequest{})
	if s.Delivered != 0 || s.Failed != 2 || s.Queued != 0 || store.Status().Held != 2 {
		t.Errorf("replay of letters that fail again: %+v, %+v", s, store.Status())
	}
	mended.Store(true)
	if s := replayAll(t, r.Router, letters.ReplayRequest{Query: letters.Query{Component: "nothing"}}); s.Sent != 0 {
		t.Errorf("replay of no letters: %+v", s)
	}
	if s := replayAll(t, r.Router, letters.ReplayRequest{}); s.Delivered != 2 || s.Failed != 0 || store.Status().Held != 0 {
		t.Errorf("replay: %+v, %+v", s, store.Status())
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	close(delivered)
	var all []string
	for data := range delivered {
		all = append(all, data)
	}
	slices.Sort(all)
	if want := []string{"0+", "1+", "2+", "3+"}; !slices.Equal(all, want) { // the stage before was not applied a second time
		t.Errorf("delivered %q, want %q", all, want)
	}
}

// TestWhereAnEventIs proves that an event is found in the queue where it is delayed, behind it, and as a dead letter.
func TestWhereAnEventIs(t *testing.T) {
	tried := make(chan struct{}, 100)
	fails := sinkFunc(func(context.Context, []*event.Event) error {
		tried <- struct{}{}
		return plugin.Failed(map[int]error{0: errSink})
	})
	parks := sinkFunc(func(_ context.Context, events []*event.Event) error {
		failed := map[int]error{}
		for i, e := range events {
			if e.ID == "0" || e.ID == "4999" { // memory has the latest letters only
				failed[i] = plugin.Permanent(errSink)
			}
		}
		if len(failed) == 0 {
			return nil
		}
		return plugin.Failed(failed)
	})
	source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
		out.Ready()
		for n := range 5000 { // more than are looked at under one hold of the lock
			_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{ID: fmt.Sprint(n), Key: "k", Data: []byte("x")}}})
			if n == 0 {
				<-tried
			}
		}
		<-ctx.Done()
		return nil
	})
	r := start(t, Graph{
		Sources: []SourceSpec{sourceSpec("in", source)},
		Sinks: []SinkSpec{
			sinkSpec("slow", fails, func(d *delivery.Options) {
				d.Retry.Initial, d.Retry.Max = options.Duration(time.Hour), options.Duration(time.Hour)
				d.Queue.Batch = 1
			}),
			sinkSpec("parks", parks, nil),
		},
		Routes: routeTo("slow", "parks"),
	})
	for id, want := range map[string]string{"0": "sink slow delayed 1, sink parks dead_letter 1", "4999": "sink slow queued 0, sink parks dead_letter 1", "other": ""} {
		testenv.Eventually(t, testenv.Wait, id, func() bool {
			w, err := r.Where(t.Context(), id, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, at := range w.Found {
				if at.State == stats.WhereBlocked { // a worker has looked at it
					at.State = stats.WhereQueued
				}
				got = append(got, fmt.Sprintf("%s %s %d", at.Component, at.State, at.Attempts))
			}
			return strings.Join(got, ", ") == want
		}, func() string { w, err := r.Where(t.Context(), id, nil); return fmt.Sprintf("%+v, %v", w, err) })
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// TestReplayToOtherPlace proves that letters can be sent through a whole route and to another sink, edited, and that a place which is gone is
// a failure.
func TestReplayToOtherPlace(t *testing.T) {
	other := &keeps{}
	route := routeTo("out")
	r := start(t, Graph{
		Sources: []SourceSpec{sourceSpec("in", emits(3, nil))},
		Sinks:   []SinkSpec{sinkSpec("out", never(errSink), nil), sinkSpec("other", other, nil)},
		Routes:  append(route, RouteSpec{Name: "second", From: []string{"in"}, When: when(t, "false"), To: []string{"other"}}),
	})
	for {
		if _, n := latestLetters(r.Router); n == 3 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	number := func(n uint64) letters.Query { return letters.Query{Numbers: []uint64{n}} }
	edited := letters.Payload("edited")
	if s := replayAll(t, r.Router, letters.ReplayRequest{Query: number(1), To: "sink other", Edit: &edited}); s.Delivered != 1 {
		t.Errorf("to another sink: %+v", s)
	}
	if s := replayAll(t, r.Router, letters.ReplayRequest{Query: number(2), To: "route second"}); s.Delivered != 1 {
		t.Errorf("through a route that takes nothing: %+v", s)
	}
	if s := replayAll(t, r.Router, letters.ReplayRequest{Query: number(3), To: "sink gone"}); s.Failed != 1 {
		t.Errorf("to a sink that does not exist: %+v", s)
	}
	if s := replayAll(t, r.Router, letters.ReplayRequest{Query: number(3), To: "route r", Rate: 100}); s.Failed != 1 || s.Failures[0].Reason != errSink.Error() {
		t.Errorf("through the route to the sink that refuses it: %+v", s)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := texts(other.got); !slices.Equal(got, []string{"edited"}) {
		t.Errorf("the other sink got %q", got)
	}
	if list, n := latestLetters(r.Router); len(list) != 1 || list[0].Number != 3 || n != 3 {
		t.Errorf("%d letters are left of %d", len(list), n)
	}
}
