package app

import (
	"slices"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/plugin"
)

// view is what a client of a test gets.
type view struct {
	payloads [][]byte
	refused  error // why it could not connect
}

// look shows a client what has arrived at its sink, as the sink would. Nothing has where no
// route leads there.
func look(cfg *config.Config, c config.Client, at *recorder) (v view) {
	i := slices.IndexFunc(cfg.Graph.Sinks, func(s router.SinkSpec) bool { return s.Name == c.Sink })
	see, err := cfg.Graph.Sinks[i].Options.(plugin.ClientSimulator).SimulateClient(c.Claims) // package config saw to it
	if err != nil {
		return view{refused: err}
	}
	if at == nil {
		return v
	}
	for _, e := range at.events {
		if payload, sees := see(e); sees {
			v.payloads = append(v.payloads, payload)
		}
	}
	return v
}
