package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tetratelabs/wazero/sys"

	"eventgateway/gateway/plugin"
)

// fault is a failed call of a guest. After a fault its instance is discarded.
type fault struct {
	reason string // one of reasons
	text   string
}

// reasons are the values of the label reason of the metric of faults.
var reasons = []string{"timeout", "memory", "output", "call", "exit", "trap"}

func (f *fault) Error() string { return "the module has failed: " + f.text }

// classify counts and returns the fault behind the error of a call. f is the fault that a function of the host has found, or nil. If the context
// of the call has ended, the guest has no fault: the error is marked by [plugin.Unavailable], and the event is redelivered.
func (t *transform) classify(ctx context.Context, g *guest, err error, f *fault) error {
	if f == nil && g.cancelled() && ctx.Err() != nil {
		return plugin.Unavailable(fmt.Errorf("the module was interrupted: %w", ctx.Err()))
	}
	if f == nil {
		f = g.fault(err)
	}
	t.metrics.faults.WithLabelValues(f.reason).Inc()
	return f
}

// fault returns the fault behind an error of wazero.
func (g *guest) fault(err error) (f *fault) {
	var exit *sys.ExitError
	switch {
	case g.cancelled():
		return &fault{"timeout", "it took longer than the timeout"}
	case errors.As(err, &exit):
		f = &fault{"exit", fmt.Sprintf("it has exited with %d", exit.ExitCode())}
	default:
		f = &fault{"trap", firstLine(err.Error())}
	}
	if text := firstLine(g.output.String()); text != "" {
		f.text += ": " + text
	}
	return f
}

// printable returns text of the guest for errors, in one line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
}

// metrics of the transform.
type metrics struct {
	faults *prometheus.CounterVec
	starts prometheus.Counter
	memory prometheus.Gauge
}

// newMetrics returns metrics that are all 0, with every reason.
func newMetrics() *metrics {
	m := &metrics{
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_wasm_faults_total", Help: "Events on which the module has failed, and its instance was discarded."}, []string{"reason"}),
		starts: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_wasm_starts_total", Help: "Instances of the module that were started."}),
		memory: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gateway_wasm_memory_bytes", Help: "Memory of the module."}),
	}
	for _, reason := range reasons {
		m.faults.WithLabelValues(reason)
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer) error {
	return errors.Join(r.Register(m.faults), r.Register(m.starts), r.Register(m.memory))
}
