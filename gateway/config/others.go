package config

import (
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/router"
)

// others checks that there is something which a route with else leaves to others, and
// something left for it.
func (g *graph) others(graph router.Graph, top parts) {
	for _, p := range g.dec.Problems {
		if strings.HasPrefix(p.Path, "routes.") { // a condition that is wrong is none
			return
		}
	}
	for _, r := range graph.Routes {
		for i, from := range r.From {
			if !r.Else {
				break
			}
			at := fmt.Sprintf("routes.%s.from[%d]", r.Name, i)
			choosing := 0
			for _, o := range graph.Routes {
				if o.Else || !slices.Contains(o.From, from) {
					continue
				}
				choosing++
				if o.When.IsZero() {
					g.dec.Report(at, false, "the route %s takes everything of %s, so nothing is left for else: give it a when", o.Name, from)
				}
			}
			if left := g.leftOut(from, top); len(left) > 0 {
				g.dec.Report("routes."+r.Name+".else", true, "what is left for else depends on the route %s: run it too, or leave --route out", left[0])
			} else if choosing == 0 {
				g.dec.Report(at, false, "no other route takes anything of %s: leave else out", from)
			}
		}
	}
}

// leftOut returns the routes of a source that are not among the selected ones.
func (g *graph) leftOut(source string, top parts) (names []string) {
	routes, _ := top.Routes.(map[string]any)
	for _, name := range g.dec.Keys("routes", routes) {
		body, _ := routes[name].(map[string]any)
		from, _ := body["from"].([]any)
		if len(g.selected) > 0 && !slices.Contains(g.selected, name) && slices.ContainsFunc(from, func(f any) bool { return fmt.Sprint(f) == source }) {
			names = append(names, name)
		}
	}
	return names
}
