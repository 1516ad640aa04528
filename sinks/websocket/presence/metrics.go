package presence

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

func newFailures() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_websocket_presence_failures_total", Help: "Times when presence could not be exchanged through Redis.",
	})
}

// register registers the metrics of the registry.
func (r *Registry) register(reg prometheus.Registerer) error {
	gauge := func(name, help string, value func() float64) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return value()
		}))
	}
	err := errors.Join(
		gauge("gateway_websocket_presence_channels", "Channels with clients of this gateway for which presence is kept.", func() float64 { return float64(len(r.channels)) }),
		gauge("gateway_websocket_presence_bytes", "Memory of presence in bytes, estimated.", func() float64 { return float64(r.bytes) }),
		gauge("gateway_websocket_presence_partial", "1 while the clients of other gateways are unknown, or as they were last known.", func() float64 {
			if r.partial {
				return 1
			}
			return 0
		}))
	if r.share != nil {
		err = errors.Join(err, reg.Register(r.share.failures))
	}
	return err
}
