package app

import (
	"slices"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/plugin"
)

// clientResult is what a client of a test receives.
type clientResult struct {
	payloads [][]byte
	refused  error // why it could not connect; nil: it could
}

// clientView returns what a client receives of the events at its sink. at is nil where no
// route leads to the sink.
func clientView(cfg *config.Config, c config.Client, at *recorder) (v clientResult) {
	i := slices.IndexFunc(cfg.Graph.Sinks, func(s router.SinkSpec) bool { return s.Name == c.Sink })
	see, err := cfg.Graph.Sinks[i].Options.(plugin.ClientSimulator).SimulateClient(c.Claims) // package config has checked the type
	if err != nil {
		return clientResult{refused: err}
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
