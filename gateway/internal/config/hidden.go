package config

import (
	"slices"
	"strings"

	"eventgateway/gateway/options"
)

// heldValues is what the variables of each component hold, by its path: "sinks.bus".
type heldValues map[string][]heldValue

// heldValue is what one variable holds, and the option that it stands in.
type heldValue struct{ option, value string }

// values collects what the variables in a configuration hold.
func (ps places) values() heldValues {
	out := heldValues{}
	for path, at := range ps {
		parts := strings.SplitN(path+"..", ".", 3)
		component := parts[0] + "." + parts[1]
		for _, v := range at.values {
			if v != "embedded" { // a word of ours, which errors explain
				out[component] = append(out[component], heldValue{strings.TrimSuffix(parts[2], ".."), v})
			}
		}
	}
	return out
}

// all returns everything that a problem must not repeat. Of a URL that is not its scheme,
// which problems name.
func (h heldValues) all() (out []any) {
	for _, values := range h {
		for _, held := range values {
			v := held.value
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
// secrets; its host, user and database may show, also where variables hold them.
func (g *graph) redactor(component string, opts ...any) *options.Redactor {
	parts := slices.Concat(opts, g.secrets[:g.outside])
	urls := map[string]bool{}
	for _, o := range opts {
		for _, row := range options.Rows(o) {
			urls[row.Name] = row.Type == "URL"
		}
	}
	for _, held := range g.values[component] {
		switch {
		case urls[held.option]: // its secrets are among opts
		case strings.Contains(held.value, "://"):
			parts = append(parts, options.NewURL(held.value))
		default:
			parts = append(parts, held.value)
		}
	}
	return options.NewRedactor(parts...)
}
