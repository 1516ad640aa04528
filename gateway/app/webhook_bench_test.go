package app

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The load of one run.
const (
	hookEvents  = 40_000
	hookWorkers = 32
	hookPairs   = 5
	hookSize    = 330
)

// BenchmarkWebhook compares the sending of signed events to a fast local receiver with a bare loop that posts
// the same signed bodies by as many goroutines.
func BenchmarkWebhook(b *testing.B) {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer receiver.Close()
	compareToBare(b,
		func() measurement { return measureHooks(b, func() float64 { return barePosts(b, receiver.URL) }) },
		func() measurement {
			return measureHooks(b, func() float64 { return hookRun(b, hookSink(receiver.URL, hookWorkers), "shop") })
		})
}

// hookSink returns the configuration of the sink shop.
func hookSink(url string, workers int) string {
	return fmt.Sprintf("shop: {type: webhook, url: %q, allow: [127.0.0.1], secrets: [%s], workers: %d}", url, webhookKey, workers)
}

// measureHooks measures run, which returns the rate. CPU and allocations are those of the receiver, too, and of the start and
// the stop.
func measureHooks(b *testing.B, run func() float64) measurement {
	b.Helper()
	var rate float64
	m := measure(b, hookEvents, func() { rate = run() })
	m.rate = rate
	return m
}

// BenchmarkHangingEndpoint measures a healthy endpoint beside one that hangs, and beside another healthy
// one.
func BenchmarkHangingEndpoint(b *testing.B) {
	release := make(chan struct{})
	healthy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer healthy.Close()
	defer hanging.Close()
	defer close(release)
	sinks := func(extra string) string {
		return fmt.Sprintf("shop: {type: webhook, url: %q, allow: [127.0.0.1], workers: %d}\n%s", healthy.URL, hookWorkers, extra)
	}
	for b.Loop() {
		var ratios []float64
		for pair := range hookPairs {
			alone := hookRun(b, sinks(""), "shop")
			beside := hookRun(b, sinks(fmt.Sprintf("  stuck: {type: webhook, url: %q, allow: [127.0.0.1], workers: %d, timeout: 1s, best_effort: true}", hanging.URL, hookWorkers)), "shop", "stuck")
			ratios = append(ratios, beside/alone)
			fmt.Printf("hanging endpoint, pair %d: %6.0f requests/s beside it, %6.0f without it (ratio %.2f)\n", pair, beside, alone, beside/alone)
		}
		b.ReportMetric(median(ratios), "ratio-to-alone")
	}
}

// hookRun returns the rate of the sink shop.
func hookRun(b *testing.B, sinks string, to ...string) float64 {
	b.Helper()
	file := writeConfig(b, fmt.Sprintf(`
http: {listen: "127.0.0.1:0"}
shutdown_timeout: 200ms
sources: {made: {type: generate, rate: 0, size: %d, count: %d, key: number, in_flight: 50000}}
sinks:
  %s
routes: {all: {from: [made], to: [%s]}}
`, hookSize, hookEvents, sinks, strings.Join(to, ", ")))
	took := timed(b, file, plugins(), func(r *running) bool { return r.sink("shop").Delivered == hookEvents }, func() {})
	return hookEvents / took.Seconds()
}

// barePosts returns the rate of plain net/http with the same signed bodies.
func barePosts(b *testing.B, url string) float64 {
	b.Helper()
	key, err := base64.StdEncoding.DecodeString(webhookKey[len("whsec_"):])
	if err != nil {
		b.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = hookWorkers
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	body := bytes.Repeat([]byte("x"), hookSize)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begin := time.Now()
	for range hookWorkers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > hookEvents || failed.Load() != nil {
					return
				}
				id, stamp := strconv.FormatInt(n, 10), strconv.FormatInt(time.Now().Unix(), 10)
				mac := hmac.New(sha256.New, key)
				io.WriteString(mac, id+"."+stamp+".")
				mac.Write(body)
				req, err := http.NewRequest("POST", url, bytes.NewReader(body))
				if err != nil {
					failed.Store(&err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Webhook-Id", id)
				req.Header.Set("Webhook-Timestamp", stamp)
				req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
				resp, err := client.Do(req)
				if err != nil {
					failed.Store(&err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	return hookEvents / time.Since(begin).Seconds()
}
