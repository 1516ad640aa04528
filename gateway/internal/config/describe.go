package config

import (
	"fmt"
	"slices"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Component is a component as it is configured, without secrets.
type Component struct {
	Type    string `json:"type,omitempty"`    // "" for a route
	Summary string `json:"summary,omitempty"` // what the type does, in one line
	At      string `json:"at,omitempty"`      // FILE:LINE:COLUMN
	// Options are those of the type, and Common those that each component of this kind has.
	Options []Option `json:"options"`
	Common  []Option `json:"common"`
	// Capabilities are those of the type.
	Capabilities []plugin.Capability `json:"capabilities,omitempty"`
}

// Option is an option of a component.
type Option struct {
	Name string `json:"name"` // such as queue.size
	Type string `json:"type"`
	Doc  string `json:"doc,omitempty"`
	// Value is text, a number, true or false, or a list or map of these. *** stands for a secret, and for the value of a variable.
	Value   any    `json:"value"`
	Set     bool   `json:"set"`               // it differs from the default
	Default string `json:"default,omitempty"` // of the type, as text; "required" if there is none
	At      string `json:"at,omitempty"`      // FILE:LINE:COLUMN; "" if the configuration does not have the option
	// Variables are the names of the environment variables in the value.
	Variables []string `json:"variables,omitempty"`
}

// Describe returns a component of the graph: a source, transform, sink or route. found is false if there is none with the name.
func (c *Config) Describe(kind, name string) (d Component, found bool) {
	is := func(n string) bool { return n == name }
	path := kind + "s." + name
	switch kind {
	case string(plugin.KindSource):
		i := slices.IndexFunc(c.Graph.Sources, func(s router.SourceSpec) bool { return is(s.Name) })
		if i < 0 {
			return d, false
		}
		s := c.Graph.Sources[i]
		d = describe(c, path, s.Type, s.Options, s.Redactor)
		d.Common = c.options(path, &s.Capture, &router.Capture{}, s.Redactor)
	case string(plugin.KindTransform):
		s, ok := c.transform(name)
		if !ok {
			return d, false
		}
		d = describe(c, path, s.Type, s.Options, s.Redactor)
		failure := router.DefaultFailure()
		d.Common = c.options(path, &s.Failure, &failure, s.Redactor)
		if _, batch := s.Type.AsBatch(); batch {
			collect := router.DefaultCollect()
			d.Common = append(d.Common, c.options(path, &s.Collect, &collect, s.Redactor)...)
		}
	case string(plugin.KindSink):
		i := slices.IndexFunc(c.Graph.Sinks, func(s router.SinkSpec) bool { return is(s.Name) })
		if i < 0 {
			return d, false
		}
		s, defaults := c.Graph.Sinks[i], delivery.DefaultOptions()
		d = describe(c, path, s.Type, s.Options, s.Redactor)
		d.Common = c.options(path, &s.Delivery, &defaults, s.Redactor)
	case "route":
		i := slices.IndexFunc(c.Graph.Routes, func(s router.RouteSpec) bool { return is(s.Name) })
		if i < 0 {
			return d, false
		}
		s := c.Graph.Routes[i]
		o := routeOptions{From: s.From, When: s.When, Else: s.Else, To: s.To, DeadLetter: s.DeadLetter}
		for _, t := range s.Through {
			o.Through = append(o.Through, t.Name)
		}
		d.Common = c.options(path, &o, &routeOptions{}, s.Redactor)
		d.Options = []Option{}
	default:
		return d, false
	}
	d.At = c.at(path)
	return d, true
}

// describe returns the description of a component by its type and options.
func describe[T any](c *Config, path string, typ plugin.Type[T], opts any, r *options.Redactor) Component {
	return Component{Type: typ.Name(), Summary: typ.Summary(), Capabilities: typ.Capabilities(), Options: c.options(path, opts, typ.Defaults(), r)}
}

// transform returns a transform that a route uses.
func (c *Config) transform(name string) (t router.TransformSpec, found bool) {
	for _, r := range c.Graph.Routes {
		for _, t := range r.Through {
			if t.Name == name {
				return t, true
			}
		}
	}
	return t, false
}

// options returns the options of one struct of the component at a path. It hides a value that comes from a variable, and
// the secrets of a URL.
func (c *Config) options(path string, opts, defaults any, r *options.Redactor) []Option {
	redact := func(text string) string {
		if r != nil {
			text = r.Text(text)
		}
		return c.secrets.Text(text)
	}
	out := []Option{}
	for _, v := range options.Values(opts, defaults, redact) {
		place, given := c.locations[options.Join(path, v.Name)]
		o := Option{Name: v.Name, Type: v.Type, Doc: v.Doc, Value: v.Value, Set: v.Set, Default: v.Default, Variables: place.variables}
		if given {
			o.At = place.value.String()
		}
		if len(place.variables) > 0 && v.Type != "URL" && fmt.Sprint(v.Value) != "" {
			o.Value = "***"
		}
		out = append(out, o)
	}
	return out
}

// at returns the position of the key at a path; "" if it is in no file.
func (c *Config) at(path string) string {
	if place, given := c.locations[path]; given {
		return place.key.String()
	}
	return ""
}
