package config

import (
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/internal/router"
)

// checkElse checks that each source of a route with else has other routes, and that they do not
// match all of its events.
func (g *graph) checkElse(graph router.Graph, top parts) {
	for _, p := range g.dec.Problems {
		if strings.HasPrefix(p.Path, "routes.") { // their conditions are not known
			return
		}
	}
	matching, unconditional := map[string]int{}, map[string]string{} // by source: the number of its routes without else, and the first without a condition
	for _, r := range graph.Routes {
		if r.Else {
			continue
		}
		for _, from := range r.From {
			matching[from]++
			if r.When.IsZero() && unconditional[from] == "" {
				unconditional[from] = r.Name
			}
		}
	}
	unselected := g.unselectedRoutes(top)
	for _, r := range graph.Routes {
		if !r.Else {
			continue
		}
		for i, from := range r.From {
			at := fmt.Sprintf("routes.%s.from[%d]", r.Name, i)
			if name := unconditional[from]; name != "" {
				g.dec.Report(at, false, "the route %s has no when, so else never matches for %s: give that route a when", name, from)
			}
			if name := unselected[from]; name != "" {
				g.dec.Report("routes."+r.Name+".else", true, "what is left for else depends on the route %s: run it too, or leave --route out", name)
			} else if matching[from] == 0 {
				g.dec.Report(at, false, "no other route takes anything of %s: leave else out", from)
			}
		}
	}
}

// unselectedRoutes returns, by source, its first route that is not selected.
func (g *graph) unselectedRoutes(top parts) map[string]string {
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
