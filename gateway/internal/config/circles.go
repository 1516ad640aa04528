package config

import (
	"slices"
	"strings"

	"eventgateway/gateway/internal/router"
)

// circle is a ring of sinks, each of which sends its dead letters to the next.
type circle []string

// maxCircle is how many sinks of a circle are named.
const maxCircle = 10

// from returns the way around that begins and ends with name.
func (c circle) from(name string) string {
	at := slices.Index(c[:min(len(c), maxCircle)], name)
	if len(c) > maxCircle {
		return name + " -> ... (" + strings.Join(c[:maxCircle], ", ") + " and others) -> " + name
	}
	return strings.Join(c[at:], " -> ") + " -> " + strings.Join(c[:at+1], " -> ")
}

// deadLetterCircles returns the circle of each sink that is part of one. Each sink is
// looked at once, however long the chains are.
func deadLetterCircles(list []router.SinkSpec, sinks map[string]router.SinkSpec) map[string]circle {
	out, walk := map[string]circle{}, map[string]int{} // of a sink: the number of the walk that came to it
	for n, s := range list {
		var way circle
		at := s.Name
		for at != "" && walk[at] == 0 {
			walk[at] = n + 1
			way = append(way, at)
			at = sinks[at].Delivery.DeadLetter
		}
		if at == "" || walk[at] != n+1 { // an end, or where another walk has been
			continue
		}
		ring := way[slices.Index(way, at):]
		for _, name := range ring {
			out[name] = ring
		}
	}
	return out
}
