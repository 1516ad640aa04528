package gauge

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// seen returns what a gauge exports.
func seen(t *testing.T, c prometheus.Collector) (value float64, exported bool) {
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

func TestWhatIsNotKnownIsNotSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows, usage, lag := NewValue("rows", ""), NewLastingValue("usage", ""), NewAge("lag", "")
		const absent = -1
		expect := func(when string, wantRows, wantUsage, wantLag float64) {
			t.Helper()
			for name, one := range map[string]struct {
				c    prometheus.Collector
				want float64
			}{"rows": {rows, wantRows}, "usage": {usage, wantUsage}, "lag": {lag, wantLag}} {
				got, ok := seen(t, one.c)
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
		expect("where the server was never there", absent, absent, absent)
		for _, g := range all {
			g.Set(0)
		}
		expect("measured", 0, 0, 0)
		time.Sleep(MaxAge - time.Second)
		expect("measured a while ago", 0, 0, 0)
		time.Sleep(time.Second)
		expect("held up", absent, 0, 15)
		time.Sleep(time.Minute)
		expect("held up for longer", absent, 0, 75)
		for _, g := range all {
			g.Set(7)
			g.MarkStale()
		}
		time.Sleep(3 * time.Second)
		expect("the server is away", absent, absent, 10)
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
