package router

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/plugin"
)

// masking is a transform that hides the field email.
type masking struct{ transformFunc }

func (masking) Hide(payload []byte) ([]byte, error) {
	return []byte(strings.ReplaceAll(string(payload), "ada", "***")), nil
}

func maskSpec(f transformFunc) TransformSpec {
	t := plugin.NewTransform("mask", "", func() none { return none{} }, func(none, plugin.Env) (plugin.Transform, error) { return masking{f}, nil }).With(plugin.KeepsFields)
	return TransformSpec{Name: "m", Type: t, Options: t.Defaults(), Failure: DefaultFailure()}
}

// TestTapHidesWhatRoutesHide proves that what a route masks is masked at its source, before its mask, in its dead letters and in the
// sink that gets these.
func TestTapHidesWhatRoutesHide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := keepingSpec(func(e *event.Event, emit func(*event.Event)) error {
			if strings.Contains(string(e.Data), "bad") {
				return errors.New("no good")
			}
			emit(e)
			return nil
		})
		mask := maskSpec(func(e *event.Event, emit func(*event.Event)) error {
			emit(e.WithData([]byte(strings.ReplaceAll(string(e.Data), "ada", "masked"))))
			return nil
		})
		g := Graph{Sinks: []SinkSpec{
			sinkSpec("out", &keeps{}, nil), sinkSpec("parked", never(errors.New("full")), deadLetter("second")), sinkSpec("second", never(errors.New("full")), nil),
		}, Routes: []RouteSpec{{Name: "r", From: []string{"in"}, Through: []TransformSpec{fails, mask}, To: []string{"out"}, DeadLetter: "parked"}}}
		w := watchGraph(t, g, false, []string{`{"n":1,"email":"ada"}`, `{"n":"bad","email":"ada"}`}, "source.in", "route.r", "sink.out", "sink.parked", "sink.second", "dead_letters")
		shown := 0
		for at := range w.viewers {
			for _, it := range w.items(at) {
				shown++
				it.Events[0].ID = "" // the route does not hide it
				for i := range it.Steps {
					it.Steps[i].Before.ID = ""
					for j := range it.Steps[i].After {
						it.Steps[i].After[j].ID = ""
					}
				}
				if text, err := json.Marshal(it); err != nil || strings.Contains(string(text), "ada") || !strings.Contains(string(text), "***") && !strings.Contains(string(text), "masked") {
					t.Errorf("%s: %s, %v", at, text, err)
				}
			}
		}
		if shown != 13 { // source 2, route 2, out 2, parked 2, second 2, dead letters 3
			t.Errorf("%d items", shown)
		}
		w.end(t)
	})
}

// TestTapFollowsReload proves that a viewer goes on with the successor of its component, and ends with a removed one.
func TestTapFollowsReload(t *testing.T) {
	j := &journal{}
	emit := make(chan string)
	from := func(p *part) {
		p.from = func(ctx context.Context, out plugin.Output) error {
			for {
				select {
				case text := <-emit:
					_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte(text)}}})
				case <-ctx.Done():
					return nil
				}
			}
		}
	}
	graph := func(version int, other bool) Graph {
		g := Graph{Sources: []SourceSpec{partSource(j, "in", 1, from)}, Sinks: []SinkSpec{partSink(j, "out", version, nil)}, Routes: routeTo("out")}
		if other {
			g.Sinks = append(g.Sinks, partSink(j, "other", 1, nil))
			g.Routes = append(g.Routes, RouteSpec{Name: "q", From: []string{"in"}, To: []string{"other"}})
		}
		return g
	}
	r := start(t, graph(1, true))
	if err := r.plan.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	stays, err := r.Taps().Watch("sink.out", tap.Options{Limit: tap.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	goes, err := r.Taps().Watch("route.q", tap.Options{Limit: tap.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	defer goes.Close()
	emit <- "before"
	if it := goes.Next(t.Context()); it == nil || it.Outcome != tap.Sent {
		t.Errorf("%+v", it)
	}
	if err := r.reload(t, graph(2, false)); err != nil {
		t.Fatal(err)
	}
	if it := goes.Next(t.Context()); it != nil || goes.Ended() != "the configuration has no route q any more" {
		t.Errorf("%+v, %q", it, goes.Ended())
	}
	emit <- "after"
	seen := map[string]bool{}
	for !seen["after delivered"] {
		it := stays.Next(t.Context())
		if it == nil {
			t.Fatal(stays.Ended())
		}
		seen[summary(it)] = true
	}
	if !seen["before delivered"] || !seen["after enqueued"] {
		t.Errorf("%v", seen)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if it := stays.Next(t.Context()); it != nil || stays.Ended() != "the gateway stops" {
		t.Errorf("%+v, %q", it, stays.Ended())
	}
}
