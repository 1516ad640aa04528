package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// The load of one run.
const (
	isolationEvents = 400_000
	isolationPairs  = 5
	isolationBytes  = 8 << 20 // of each queue
)

// panicking is a sink for tests. It panics at events whose number ends with a digit, and delivers
// the others.
type panicking struct{ digit byte }

func (s panicking) Write(_ context.Context, events []*event.Event) error {
	for _, e := range events {
		if end := bytes.IndexByte(e.Data, ','); e.Data[end-1] == s.digit {
			panic("one of those")
		}
	}
	return nil
}

type panickingOptions struct {
	Digit string `koanf:"digit"`
}

func panickingType() plugin.SinkType {
	return plugin.NewSink("panicking", "For tests.", func() panickingOptions { return panickingOptions{Digit: "x"} },
		func(o panickingOptions, _ plugin.Env) (plugin.Sink, error) { return panicking{o.Digit[0]}, nil })
}

// BenchmarkIsolation measures how much a faulty sink costs two healthy ones. Three sinks run at full rate; one of them is
// unreachable, hangs, or panics on every tenth event. The rate of the other two, and the memory, are compared with a run of
// three healthy sinks, by the medians of alternating pairs.
func BenchmarkIsolation(b *testing.B) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	dead := httptest.NewServer(nil)
	dead.Close()
	for name, third := range map[string]string{
		"dead":    fmt.Sprintf("type: webhook, url: %q, allow: [127.0.0.1], retry: {max: 1s}", dead.URL),
		"hanging": fmt.Sprintf("type: webhook, url: %q, allow: [127.0.0.1], timeout: 1s", hanging.URL),
		"panics":  "type: panicking, digit: \"7\"",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var ratios, heaps []float64
				for pair := range isolationPairs {
					healthy, _ := isolationRun(b, "type: panicking")
					ill, heap := isolationRun(b, third)
					ratios, heaps = append(ratios, ill/healthy), append(heaps, heap)
					fmt.Printf("isolation, pair %d: %8.0f events/s beside one that is healthy, %8.0f beside one that %s (ratio %.2f, %.1f MiB of heap)\n", pair, healthy, ill, name, ill/healthy, heap)
				}
				b.ReportMetric(median(ratios), "ratio-to-healthy")
				b.ReportMetric(median(heaps), "MiB-heap")
				b.ReportMetric(3*isolationBytes/(1<<20), "MiB-configured")
			}
		})
	}
}

// isolationRun returns the rate of the two healthy sinks, and the heap at the end.
func isolationRun(b *testing.B, third string) (rate, heap float64) {
	dir := b.TempDir()
	file := writeConfig(b, fmt.Sprintf(`
http: {listen: "127.0.0.1:0"}
shutdown_timeout: 200ms
sources: {made: {type: generate, rate: 0, size: 330, count: %d, in_flight: 50000}}
sinks:
  one: {type: file, path: %q, sync: never, queue: {bytes: %d}}
  two: {type: file, path: %q, sync: never, queue: {bytes: %d}}
  third: {%s, best_effort: true, queue: {bytes: %d, when_full: drop_oldest}}
routes: {all: {from: [made], to: [one, two, third]}}
`, isolationEvents, dir+"/one", isolationBytes, dir+"/two", isolationBytes, third, isolationBytes))
	set := plugins()
	set.Sinks = append(set.Sinks, panickingType())
	var m runtime.MemStats
	took := timed(b, file, set, func(r *running) bool {
		return r.sink("one").Delivered == isolationEvents && r.sink("two").Delivered == isolationEvents
	}, func() {
		runtime.GC()
		runtime.ReadMemStats(&m)
	})
	return isolationEvents / took.Seconds(), float64(m.HeapAlloc) / (1 << 20)
}

// timed runs a configuration until a condition holds, calls then, and stops it. It returns the time
// from the start until the condition held.
func timed(b *testing.B, file string, set plugin.Set, so func(*running) bool, then func()) time.Duration {
	b.Helper()
	cfg, problems := config.Load(config.Request{Files: []string{file}, Plugins: set})
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	g, err := assemble(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended, ready := make(chan error, 1), g.initial.plan.Readiness()
	begin := time.Now()
	go func() { ended <- g.run(ctx) }()
	r := &running{gateway: g, t: b}
	if err := ready(ctx); err != nil {
		b.Fatal(err)
	}
	testenv.Eventually(b, 2*time.Minute, "all delivered", func() bool { return so(r) })
	took := time.Since(begin)
	then()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	if err := g.router.Status().ConservedAtRest(); err != nil {
		b.Fatal(err)
	}
	return took
}
