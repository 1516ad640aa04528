package component

import (
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestCollectorThatDoesNotReturn proves that a collector of a plugin that does not return holds up the reader of its metrics once, for a
// bounded time, and that the metrics are back when it returns.
func TestCollectorThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(slog.New(slog.DiscardHandler), "sink", "out", nil, nil, nil)
		var block chan struct{}
		c.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_test_clients"}, func() float64 {
			if block != nil {
				<-block
			}
			return 3
		}))
		if n := c.Clients(); n != 3 {
			t.Errorf("%v clients", n)
		}
		block = make(chan struct{})
		for i, most := range []time.Duration{gatherWithin, 0, 0} {
			begin := time.Now()
			if n := c.Clients(); !math.IsNaN(n) {
				t.Errorf("%v clients while the collector does not return", n)
			}
			if took := time.Since(begin); took > most {
				t.Errorf("call %d took %v", i, took)
			}
		}
		if counts := c.AddCounters(nil); counts != nil {
			t.Errorf("%v", counts)
		}
		core := prometheus.NewRegistry()
		if families, err := Gather(core, []*Component{c}); err != nil || len(families) != 0 || c.Health.Health().LastError != errCollectors.Error() {
			t.Errorf("%v, %v, %q", families, err, c.Health.Health().LastError)
		}
		close(block)
		synctest.Wait()
		if n := c.Clients(); n != 3 {
			t.Errorf("%v clients after the collector has returned", n)
		}
	})
}
