package config

import "fmt"

// known returns the names in a section, in the order of the file.
func (g *graph) known(section string, components any) []string {
	names, ok := g.names[section]
	if !ok {
		m, _ := components.(map[string]any)
		names = g.dec.Keys(section, m)
		if g.names == nil {
			g.names = map[string][]string{}
		}
		g.names[section] = names
	}
	return names
}

// unknown describes a name that a section does not have.
func (g *graph) unknown(what, name, section string, components any) string {
	return g.dec.UnknownName(fmt.Sprintf("%s %q", what, name), name, func() []string { return g.known(section, components) })
}
