package config

import (
	"slices"
	"strings"

	"eventgateway/gateway/internal/router"
)

// cycle is a list of sinks. Each sink sends its dead letters to the next one; the last sends them to the first.
type cycle []string

// maxNamed bounds the sinks of a cycle that an error names.
const maxNamed = 10

// from returns the text of the cycle, beginning and ending with name.
func (c cycle) from(name string) string {
	at := slices.Index(c[:min(len(c), maxNamed)], name)
	if len(c) > maxNamed {
		return name + " -> ... (" + strings.Join(c[:maxNamed], ", ") + " and others) -> " + name
	}
	return strings.Join(c[at:], " -> ") + " -> " + strings.Join(c[:at+1], " -> ")
}

// deadLetterCycles returns the cycle of each sink that is part of one, in linear time.
func deadLetterCycles(list []router.SinkSpec, sinks map[string]router.SinkSpec) map[string]cycle {
	out, walk := map[string]cycle{}, map[string]int{} // by sink: the number of the walk that visited it
	for n, s := range list {
		var way cycle
		at := s.Name
		for at != "" && walk[at] == 0 {
			walk[at] = n + 1
			way = append(way, at)
			at = sinks[at].Delivery.DeadLetter
		}
		if at == "" || walk[at] != n+1 { // the end of a chain, or a sink of an earlier walk
			continue
		}
		ring := way[slices.Index(way, at):]
		for _, name := range ring {
			out[name] = ring
		}
	}
	return out
}
