package redisstream

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// BenchmarkAppend compares a batch of 500 entries of 330 bytes with the same as a bare
// pipeline of XADD, which a retry would append twice.
func BenchmarkAppend(b *testing.B) {
	var batch []*event.Event
	for range 500 {
		batch = append(batch, &event.Event{ID: "123456-abcdefgh", Key: "public.orders:123456", Data: make([]byte, 330), Attrs: []event.Attr{{Name: "table", Value: "public.orders"}, {Name: "operation", Value: "UPDATE"}}})
	}
	client := testenv.RedisClient(b)
	b.Run("sink", func(b *testing.B) {
		impl, err := build(Options{URL: options.NewURL(testenv.Redis(b).URL()), Stream: expr.MustTemplate("bench"), Maxlen: 10_000}, plugintest.Env(b))
		if err != nil {
			b.Fatal(err)
		}
		s := impl.(*sink)
		defer s.client.Close()
		for b.Loop() {
			if err := s.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("pipeline", func(b *testing.B) {
		for b.Loop() {
			pipe := client.Pipeline()
			for _, e := range batch {
				pipe.XAdd(b.Context(), &redis.XAddArgs{Stream: "bench", MaxLen: 10_000, Approx: true, Values: appendEntry(nil, e)[1:]})
			}
			if _, err := pipe.Exec(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "events/s")
	})
}
