package config

import (
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/internal/router"
)

// others checks that there is something which a route with else leaves to others, and
// something left for it.
func (g *graph) others(graph router.Graph, top parts) {
	for _, p := range g.dec.Problems {
		if strings.HasPrefix(p.Path, "routes.") { // a condition that is wrong is none
			return
		}
	}
	choosing, greedy := map[string]int{}, map[string]string{} // by source: how many routes choose from it, and the first that takes everything
	for _, r := range graph.Routes {
		if r.Else {
			continue
		}
		for _, from := range r.From {
			choosing[from]++
			if r.When.IsZero() && greedy[from] == "" {
				greedy[from] = r.Name
			}
		}
	}
	left := g.leftOut(top)
	for _, r := range graph.Routes {
		if !r.Else {
			continue
		}
		for i, from := range r.From {
			at := fmt.Sprintf("routes.%s.from[%d]", r.Name, i)
			if name := greedy[from]; name != "" {
				g.dec.Report(at, false, "the route %s has no when, so else never matches for %s: give that route a when", name, from)
			}
			if name := left[from]; name != "" {
				g.dec.Report("routes."+r.Name+".else", true, "what is left for else depends on the route %s: run it too, or leave --route out", name)
			} else if choosing[from] == 0 {
				g.dec.Report(at, false, "no other route takes anything of %s: leave else out", from)
			}
		}
	}
}

// leftOut returns, by source, the first route of it that is not among the selected ones.
func (g *graph) leftOut(top parts) map[string]string {
	out := map[string]string{}
	routes, _ := top.Routes.(map[string]any)
	if len(g.selected) == 0 {
		return out
	}
	for _, name := range g.known("routes", routes) {
		if slices.Contains(g.selected, name) {
			continue
		}
		body, _ := routes[name].(map[string]any)
		from, _ := body["from"].([]any)
		for _, f := range from {
			if source := fmt.Sprint(f); out[source] == "" {
				out[source] = name
			}
		}
	}
	return out
}
