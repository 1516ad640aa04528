package config

import (
	"maps"
	"slices"

	"eventgateway/gateway/options"
)

// checkLogComponents checks that the components with a level of their own exist.
func (g *graph) checkLogComponents(l Log, top parts) {
	if len(l.Components) == 0 {
		return
	}
	defined := map[string]bool{}
	for _, section := range []any{top.Sources, top.Transforms, top.Sinks, top.Routes} {
		named, _ := section.(map[string]any)
		for name := range named {
			defined[name] = true
		}
	}
	for _, c := range l.Components {
		if !defined[c.Key] {
			what := "component " + c.Key
			g.dec.Report(options.Join("log.components", c.Key), true, "%s", g.dec.UnknownName(what, c.Key, func() []string { return slices.Sorted(maps.Keys(defined)) }))
		}
	}
}
