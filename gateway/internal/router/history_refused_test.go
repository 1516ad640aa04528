package router

import (
	"strings"
	"testing"

	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/plugin"
)

// TestHistoryIsRefused: a sink takes no history where positions would differ between gateways.
func TestHistoryIsRefused(t *testing.T) {
	for want, change := range map[string]func(g *Graph){
		"":                        func(*Graph) {},
		"it has none":             func(g *Graph) { g.Sources[0].Options = &storeOptions{} },
		"cannot read its history": func(g *Graph) { g.Sources[0] = sourceSpec("in", &store{}) },
		"leave leader out":        func(g *Graph) { g.Sources[0].Capture.Leader = "x" },
		"one route with one source": func(g *Graph) {
			g.Routes = append(g.Routes, RouteSpec{Name: "s", From: []string{"in"}, To: []string{"out"}})
		},
		"write the condition as when": func(g *Graph) { g.Routes[0].Else = true },
		"write when_full: block":      func(g *Graph) { g.Sinks[0].Delivery.Queue.WhenFull = queue.WhenFullDropOldest },
		"dead letters of the route r": func(g *Graph) { g.Routes[0].DeadLetter = "out" },
		"depends on earlier events": func(g *Graph) {
			tr := transformSpec(nil)
			tr.Type = tr.Type.With(plugin.Stateful)
			g.Routes[0].Through = []TransformSpec{tr}
		},
	} {
		g := historyGraph(&store{}, &keeper{})
		change(&g)
		_, err := g.HistoryOf(g.Sinks[0])
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
