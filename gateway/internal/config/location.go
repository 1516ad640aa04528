package config

import (
	"strings"

	"eventgateway/gateway/options"
)

// location is the position of a key and of its value.
type location struct {
	key, value options.Pos
	text       string   // of a scalar, before variables were replaced
	variables  []string // names of the replaced variables
	values     []string // of these
}

// locations maps paths to their locations.
type locations map[string]location

// addOrigins adds the line of the .env file to problems with the value of a variable from there.
func (ps locations) addOrigins(problems options.Problems, env Env) {
	for i := range problems {
		for _, name := range ps[problems[i].Path].variables {
			if origin := env.origin(name); origin != "" {
				problems[i].Text += " (" + origin + ")"
			}
		}
	}
}

// find returns the position of path, or of the nearest mapping around it that is in a
// file: a missing option has no position.
func (ps locations) find(path string) (key, value options.Pos) {
	if p, ok := ps[path]; ok {
		return p.key, p.value
	}
	for path != "" {
		i := strings.LastIndexAny(path, ".[")
		path = path[:max(i, 0)]
		if p, ok := ps[path]; ok {
			return p.key, p.key
		}
	}
	return options.Pos{}, options.Pos{}
}
