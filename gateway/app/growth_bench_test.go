package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkPayload shows how the way from one Redis channel to another grows with the payload.
func BenchmarkPayload(b *testing.B) {
	for _, p := range []struct {
		name         string
		size, events int
	}{{"100 B", 100, 100_000}, {"1 kB", 1000, 50_000}, {"10 kB", 10_000, 10_000}, {"100 kB", 100_000, 1000}, {"1 MB", 1_000_000, 100}} {
		b.Run(p.name, func(b *testing.B) {
			l := defaultRelay
			l.size, l.events = p.size, p.events
			compareRelay(b, l, relayConfig)
		})
	}
}

// BenchmarkClients shows how the fan-out grows with the clients. Both ends of 9,000 connections are in this process, which
// needs 18,000 file descriptors.
func BenchmarkClients(b *testing.B) {
	for _, c := range []struct{ clients, messages int }{{1, 100_000}, {10, 50_000}, {100, 20_000}, {1000, 3000}, {9000, 500}} {
		b.Run(fmt.Sprint(c.clients), func(b *testing.B) { compareFanout(b, c.clients, c.messages) })
	}
}

// BenchmarkRoutes shows the cost of routes: each has a condition, and one of them matches.
func BenchmarkRoutes(b *testing.B) {
	for _, count := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			var routes strings.Builder
			for i := range count {
				fmt.Fprintf(&routes, "  r%d: {from: [in], when: \"n >= %d\", to: [out]}\n", i, firstNumber*min(count-1-i, 1)*2)
			}
			config, _, _ := strings.Cut(relayConfig, "routes:")
			compareRelay(b, relayLoad{50_000, fanoutBytes, defaultRelay.channels}, config+"routes:\n"+routes.String())
		})
	}
}

// BenchmarkSinks shows the cost of sinks that all get each event.
func BenchmarkSinks(b *testing.B) {
	for _, count := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			l := relayLoad{events: 50_000, size: fanoutBytes}
			var sinks, names strings.Builder
			for i := range count {
				l.channels = append(l.channels, fmt.Sprintf("relay_out_%d", i))
				fmt.Fprintf(&sinks, "  out%d: {type: redis-pub, url: \"${REDIS_URL}\", channel: %s}\n", i, l.channels[i])
				fmt.Fprintf(&names, "out%d, ", i)
			}
			config, _, _ := strings.Cut(relayConfig, "sinks:")
			config += "sinks:\n" + sinks.String() + "routes: {relay: {from: [in], to: [" + strings.TrimSuffix(names.String(), ", ") + "]}}\n"
			compareToBare(b, nil, func() measurement { return l.run(b, relaying(config)) })
		})
	}
}

// BenchmarkTransforms shows the cost of transforms that each set a field.
func BenchmarkTransforms(b *testing.B) {
	for _, count := range []int{0, 1, 2, 4, 8} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			transforms, through := "", ""
			for i := range count {
				transforms += fmt.Sprintf("  t%d: {type: set, fields: {f%d: now()}}\n", i, i)
				through += fmt.Sprintf("t%d, ", i)
			}
			config, _, _ := strings.Cut(relayConfig, "routes:")
			if count > 0 {
				config += "transforms:\n" + transforms
			}
			compareRelay(b, relayLoad{50_000, fanoutBytes, defaultRelay.channels}, config+"routes: {relay: {from: [in], through: ["+strings.TrimSuffix(through, ", ")+"], to: [out]}}\n")
		})
	}
}

// BenchmarkWorkers shows how signed webhooks to a local receiver grow with the workers of the sink.
func BenchmarkWorkers(b *testing.B) {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer receiver.Close()
	for _, workers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			compareToBare(b, nil, func() measurement {
				return measureHooks(b, func() float64 { return hookRun(b, hookSink(receiver.URL, workers), "shop") })
			})
		})
	}
}
