package config

import (
	"strings"

	"eventgateway/gateway/options"
)

// place is where a key and its value stand.
type place struct {
	key, value options.Pos
	text       string   // of a scalar, before variables were replaced
	values     []string // of these variables
}

// places maps paths to where they stand.
type places map[string]place

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
