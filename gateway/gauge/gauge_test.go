package gauge

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exportedValue returns the value that a gauge exports.
func exportedValue(t *testing.T, c prometheus.Collector) (value float64, exported bool) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		return f.GetMetric()[0].GetGauge().GetValue(), true
	}
	return 0, false
}

// TestExportsOnlyKnownValues proves which gauges are exported before, during and after measurements, and how an age
// grows.
func TestExportsOnlyKnownValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows, usage, lag := NewValue("rows", ""), NewLastingValue("usage", ""), NewAge("lag", "")
		const absent = -1
		expect := func(when string, wantRows, wantUsage, wantLag float64) {
			t.Helper()
			for name, one := range map[string]struct {
				c    prometheus.Collector
				want float64
			}{"rows": {rows, wantRows}, "usage": {usage, wantUsage}, "lag": {lag, wantLag}} {
				got, ok := exportedValue(t, one.c)
				if !ok {
					got = absent
				}
				if got != one.want {
					t.Errorf("%s: %s is %v, want %v", when, name, got, one.want)
				}
			}
		}
		all := []interface {
			Set(float64)
			MarkStale()
			Reset()
		}{rows, usage, lag}
		expect("before it is measured", absent, absent, absent)
		for _, g := range all {
			g.MarkStale()
		}
		expect("if the server was never reached", absent, absent, absent)
		for _, g := range all {
			g.Set(0)
		}
		expect("measured", 0, 0, 0)
		time.Sleep(MaxAge - time.Second)
		expect("measured a while ago", 0, 0, 0)
		time.Sleep(time.Second)
		expect("not measured for MaxAge", absent, 0, 15)
		time.Sleep(time.Minute)
		expect("not measured for longer", absent, 0, 75)
		for _, g := range all {
			g.Set(7)
			g.MarkStale()
		}
		time.Sleep(3 * time.Second)
		expect("the server is unavailable", absent, absent, 10)
		for _, g := range all {
			g.Set(1)
		}
		expect("it is back", 1, 1, 1)
		for _, g := range all {
			g.Reset()
		}
		expect("another gateway reads", absent, absent, absent)
	})
}
