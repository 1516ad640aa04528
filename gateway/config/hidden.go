package config

import (
	"slices"
	"strings"

	"eventgateway/gateway/options"
)

// heldValues is what the variables of each component hold, by its path: "sinks.bus".
type heldValues map[string][]string

// values collects what the variables in a configuration hold.
func (ps places) values() heldValues {
	out := heldValues{}
	for path, at := range ps {
		parts := strings.SplitN(path+"..", ".", 3)
		component := parts[0] + "." + parts[1]
		for _, v := range at.values {
			if v != "embedded" { // a word of ours, which errors explain
				out[component] = append(out[component], v)
			}
		}
	}
	return out
}

// all returns everything that a problem must not repeat. Of a URL that is not its scheme,
// which problems name.
func (h heldValues) all() (out []any) {
	for _, values := range h {
		for _, v := range values {
			if _, rest, ok := strings.Cut(v, "://"); ok {
				v = rest
			}
			out = append(out, v)
		}
	}
	return out
}

// redactor hides the secrets of a component, and what variables hold in its other options:
// who keeps a value out of the file may not want it in a log. A URL is printed without its
// secrets; the rest of it may show.
func (g *graph) redactor(component string, opts ...any) *options.Redactor {
	parts := slices.Concat(opts, g.secrets[:g.outside])
	for _, v := range g.values[component] {
		if strings.Contains(v, "://") {
			parts = append(parts, options.NewURL(v))
		} else {
			parts = append(parts, v)
		}
	}
	return options.NewRedactor(parts...)
}
