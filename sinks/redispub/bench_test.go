package redispub

import (
	"slices"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// BenchmarkRoleCheck compares batches of 64 events of 330 bytes with and without the HELLO that
// detects a replica. They alternate, so that the load of the machine is the same for both.
func BenchmarkRoleCheck(b *testing.B) {
	var batch []*event.Event
	for range 64 {
		batch = append(batch, &event.Event{Data: make([]byte, 330)})
	}
	o := Options{URL: options.NewURL(testenv.Redis(b).URL()), Channel: expr.MustTemplate("bench"), Sequence: Sequence{Field: "_pub_id"}}
	impl, err := build(o, plugintest.Env(b))
	if err != nil {
		b.Fatal(err)
	}
	s := impl.(*sink)
	defer s.client.Close()
	other := testenv.RedisClient(b) // not the sink's own client: no HELLO
	var with, without []time.Duration
	for b.Loop() {
		begin := time.Now()
		if err := s.publishPlain(b.Context(), s.client, batch, func(int, error) {}); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if err := s.publishPlain(b.Context(), other, batch, func(int, error) {}); err != nil {
			b.Fatal(err)
		}
		with, without = append(with, middle.Sub(begin)), append(without, time.Since(middle))
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2].Nanoseconds()) / 1e3
	}
	b.ReportMetric(median(with), "µs/batch")
	b.ReportMetric(median(without), "µs/batch-without")
}
