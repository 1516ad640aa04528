package stats

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestBreakerStates proves that each state of a circuit breaker has a series, of which one is 1, and that the older metrics agree.
func TestBreakerStates(t *testing.T) {
	states := []string{BreakerClosed, BreakerOpen, BreakerHalfOpen, BreakerDisabled}
	var st Status
	for _, state := range states {
		st.Sinks = append(st.Sinks, SinkStatus{Name: state, Breaker: BreakerStatus{State: state}})
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(Collector{Status: func() Status { return st }})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	for i, sink := range states {
		for _, state := range states {
			if value, ok := got["gateway_sink_breaker_state "+sink+" "+state]; !ok || value != map[bool]float64{true: 1}[sink == state] {
				t.Errorf("%s of a sink that is %s: %v, %v", state, sink, value, ok)
			}
		}
		if open, disabled := got["gateway_sink_breaker_open "+sink], got["gateway_sink_disabled "+sink]; open != []float64{0, 1, .5, 1}[i] || disabled != []float64{0, 0, 0, 1}[i] {
			t.Errorf("%s: open %v, disabled %v", sink, open, disabled)
		}
	}
}
