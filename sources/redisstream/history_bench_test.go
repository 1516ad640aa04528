package redisstream

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// BenchmarkReadHistory reads 100,000 entries of 100 bytes at the end of streams of different lengths.
func BenchmarkReadHistory(b *testing.B) {
	const recent = 100_000
	for _, older := range []int{0, 100_000, 3_000_000} {
		b.Run(fmt.Sprint(older, " older"), func(b *testing.B) {
			client := testenv.RedisClient(b)
			stream := fmt.Sprint("bench", older)
			add := func(first, n int) {
				for ; n > 0; first, n = first+recent, n-recent {
					if err := client.Eval(b.Context(), `
						for i = 0, tonumber(ARGV[2]) - 1 do redis.call('XADD', KEYS[1], (ARGV[1] + i) .. '-0', 'data', string.rep('x', 100)) end
						return 0`, []string{stream}, first, min(n, recent)).Err(); err != nil {
						b.Fatal(err)
					}
				}
			}
			add(1, older)
			add(1_700_000_000_001, recent)
			defer client.Del(b.Context(), stream)
			o := Type().Defaults().(*Options)
			o.URL, o.Stream = options.NewURL(testenv.Redis(b).URL()), stream
			env := plugintest.Env(b)
			env.Metrics = prometheus.NewRegistry()
			s, err := Type().Build(o, env)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				n := 0
				err := s.(*source).ReadHistory(b.Context(), time.UnixMilli(1_700_000_000_001), func(events []*event.Event) error { n += len(events); return nil })
				if err != nil || n < recent {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(recent*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
