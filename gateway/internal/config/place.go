package config

import (
	"strings"

	"eventgateway/gateway/options"
)

// place is where a key and its value stand.
type place struct {
	key, value options.Pos
	text       string   // of a scalar, before variables were replaced
	variables  []string // that were replaced
	values     []string // of these
}

// places maps paths to where they stand.
type places map[string]place

// originate says, of problems with what a variable of the .env file holds, where it stands there.
func (ps places) originate(problems options.Problems, env Env) {
	for i := range problems {
		for _, name := range ps[problems[i].Path].variables {
			if origin := env.origin(name); origin != "" {
				problems[i].Text += " (" + origin + ")"
			}
		}
	}
}

// find returns the place of path, or of the nearest thing around it that stands
// in a file: what is missing has no place of its own.
func (ps places) find(path string) (key, value options.Pos) {
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
