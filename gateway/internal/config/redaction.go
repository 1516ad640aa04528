package config

import (
	"slices"
	"strings"

	"eventgateway/gateway/options"
)

// variableValues holds the values of the variables in each component, by its path: "sinks.bus".
type variableValues map[string][]variableValue

// variableValue is the value of a variable, and the option that it is used in.
type variableValue struct{ option, value string }

// values returns the values of all variables in a configuration.
func (ps locations) values() variableValues {
	out := variableValues{}
	for path, at := range ps {
		parts := strings.SplitN(path+"..", ".", 3)
		component := parts[0] + "." + parts[1]
		for _, v := range at.values {
			if v != "embedded" { // a keyword, which errors explain
				out[component] = append(out[component], variableValue{strings.TrimSuffix(parts[2], ".."), v})
			}
		}
	}
	return out
}

// all returns all values that a problem must not quote: those of URLs without the scheme,
// which problems name.
func (h variableValues) all() (out []any) {
	for _, values := range h {
		for _, v := range values {
			text := v.value
			if _, rest, ok := strings.Cut(text, "://"); ok {
				text = rest
			}
			out = append(out, text)
		}
	}
	return out
}

// redactor returns a Redactor of the secrets of a component, and of the values of variables in its
// other options: a value that is kept out of the file should not be logged. A URL is printed without
// its secrets; its host, user and database are not hidden, also if variables hold them.
func (g *graph) redactor(component string, opts ...any) *options.Redactor {
	parts := slices.Concat(opts, g.secrets[:g.outside])
	urls := map[string]bool{}
	for _, o := range opts {
		for _, row := range options.Rows(o) {
			urls[row.Name] = row.Type == "URL"
		}
	}
	for _, v := range g.values[component] {
		switch {
		case urls[v.option]: // opts include its secrets
		case strings.Contains(v.value, "://"):
			parts = append(parts, options.NewURL(v.value))
		default:
			parts = append(parts, v.value)
		}
	}
	return options.NewRedactor(parts...)
}
