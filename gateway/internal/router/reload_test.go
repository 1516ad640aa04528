package router

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestReloadReplacesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		graph := func(in, same, changed int) Graph {
			return Graph{
				Sources: []SourceSpec{partSource(j, "in", in, nil)},
				Sinks:   []SinkSpec{partSink(j, "same", same, nil), partSink(j, "changed", changed, nil)},
				Routes:  routeTo("same", "changed"),
			}
		}
		r := start(t, graph(1, 1, 1))
		synctest.Wait()
		j.take()
		if err := r.reload(t, graph(1, 1, 2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got, want := j.take(), []string{"changed2 opens", "changed1 closed"}; !slices.Equal(got, want) {
			t.Errorf("another sink: %q, want %q", got, want)
		}
		if a, b := r.version(t, "same"), r.version(t, "changed"); a != "1" || b != "2" {
			t.Errorf("metrics of versions %s and %s", a, b)
		}
		j.take()
		if err := r.reload(t, graph(2, 1, 2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got, want := j.take(), []string{"in1 ended", "in1 closed", "in2 runs"}; !slices.Equal(got, want) {
			t.Errorf("another source: %q, want %q", got, want)
		}
		if s := r.Status().Sources[0]; s.Gaps-s.GapsAtStart != 1 { // it cannot replay
			t.Errorf("%+v", s)
		}
		j.take()
		g := graph(2, 1, 2)
		g.Sinks[0].Delivery.Retry.Attempts = 7 // the router's affair: the plugin runs on
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := j.take(); len(got) != 0 {
			t.Errorf("other retries: %q", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadThatFailsChangesNothing: whether a component cannot be built, be mounted
// or be opened; and what was built for it is closed again.
func TestReloadThatFailsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		good := Graph{Sources: []SourceSpec{partSource(j, "in", 1, nil)}, Sinks: []SinkSpec{partSink(j, "out", 1, nil)}, Routes: routeTo("out")}
		r := start(t, good)
		synctest.Wait()
		j.take()
		unopened := good
		unopened.Sinks = append(slices.Clone(good.Sinks), partSink(j, "new", 1, func(p *part) { p.openErr = errSink }))
		unopened.Sources = []SourceSpec{partSource(j, "in", 2, nil)}
		if err := r.reload(t, unopened); err == nil || !strings.Contains(err.Error(), "sinks.new: sink says no") {
			t.Errorf("a sink that cannot be opened: %v", err)
		}
		if got, want := j.take(), []string{"new1 opens", "in2 closed", "new1 closed"}; len(got) != 3 || got[0] != want[0] || !slices.Contains(got, want[1]) || !slices.Contains(got, want[2]) {
			t.Errorf("%q, want %q", got, want)
		}
		unbuilt := good
		unbuilt.Sinks = append(slices.Clone(good.Sinks), partSink(j, "new", 1, func(*part) { panic("build") }))
		if err := r.reload(t, unbuilt); err == nil || !strings.Contains(err.Error(), "sinks.new: panic: build") {
			t.Errorf("a sink that cannot be built: %v", err)
		}
		if got := j.take(); len(got) != 0 {
			t.Errorf("%q", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestHandlersMoveToTheNewTable, those of components that run on as well.
func TestHandlersMoveToTheNewTable(t *testing.T) {
	j := &journal{}
	r := newRouter(t)
	graph := func(b int) Graph {
		return Graph{Sources: []SourceSpec{partSource(j, "in", 1, nil)}, Sinks: []SinkSpec{partSink(j, "a", 1, nil), partSink(j, "b", b, nil)}, Routes: routeTo("a", "b"), DrainTimeout: time.Second}
	}
	first := table{}
	p, err := r.Plan(graph(1), first)
	if err != nil || !first["/a"] || !first["/b"] {
		t.Fatalf("%v, %v", first, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, p) }()
	awaitRunning(r)
	for version := 2; version < 4; version++ {
		second := table{}
		p, err = r.Plan(graph(version), second)
		if err == nil {
			err = r.Reload(t.Context(), p, func() {})
		}
		if err != nil || !second["/a"] || !second["/b"] {
			t.Errorf("%v, %v", second, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
