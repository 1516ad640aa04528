package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// heavyConfig makes configurations with a websocket sink that differs by number and has a history of 1 MiB.
// The other components are the same in all.
type heavyConfig struct{ dir, port string }

func (h heavyConfig) text(n int) string {
	return fmt.Sprintf(`
http: {listen: "127.0.0.1:%s"}
sources:
  made: {type: generate, rate: 600, size: 16KiB, in_flight: 50}
  waits: {type: redis-sub, url: "redis://127.0.0.1:1", channels: [never]}
transforms:
  marked: {type: set, fields: {generation: "%d"}}
sinks:
  browsers: {type: websocket, path: /replaced, welcome: {version: "%d"}, history: {events: 1000000, bytes: 1MiB}}
  steady: {type: websocket, path: /steady, history: {events: 1000000, bytes: 1MiB}}
  extra_%d: {type: file, path: %q, sync: never, rotate: {size: 1MiB, keep: 1}}
routes:
  all: {from: [made, waits], to: [browsers, steady]}
  marked: {from: [made], through: [marked], to: [browsers], dead_letter: extra_%d}
  little: {from: [made], when: "number %% 1000 == 0", to: [extra_%d], dead_letter: extra_%d}
`, h.port, n, n, n%3, h.dir+"/extra.jsonl", n%3, n%3, n%3)
}

// startHeavy starts a heavyConfig. One of its sources is never connected, so the goroutine that waits for
// readiness does not end.
func startHeavy(t *testing.T) (r *running, reload func(n int)) {
	h := heavyConfig{t.TempDir(), strconv.Itoa(testenv.FreePort(t))}
	file := filepath.Join(h.dir, "gateway.yaml")
	write := func(n int) {
		if err := os.WriteFile(file, []byte(h.text(n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	r = startUnready(t, file, nil)
	r.port = h.port
	testenv.Eventually(t, testenv.Wait, "running", func() bool { return len(r.router.Status().Sinks) > 0 })
	r.reloadable(file, nil)
	return r, func(n int) {
		write(n)
		before := r.sink("browsers").Delivered
		r.reload(context.Background(), "test")
		if !strings.Contains(r.metrics(), "\ngateway_config_last_reload_successful 1\n") {
			t.Fatalf("reload %d failed", n)
		}
		testenv.Eventually(t, testenv.Wait, "the history is full", func() bool { return r.sink("browsers").Delivered > before+66 })
	}
}

// heap returns the bytes in use after garbage was collected.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // a second time, for objects with finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// settledHeap waits, for a bounded time, until the heap has at most so many bytes, and returns its size.
// Replaced components end in the background.
func settledHeap(most uint64) (bytes uint64) {
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if bytes = heap(); bytes <= most || time.Since(begin) > 5*time.Second {
			return bytes
		}
	}
}

// TestReloadsFreeHistories proves that 20 reloads that replace a sink with a full history of 1 MiB need no more
// memory than three.
func TestReloadsFreeHistories(t *testing.T) {
	_, reload := startHeavy(t)
	n := 1
	for ; n <= 3; n++ {
		reload(n)
	}
	before := heap()
	for ; n <= 23; n++ {
		reload(n)
	}
	const few = 6 << 20
	if after := settledHeap(before + few); after > before+few {
		t.Errorf("%d MB in use, %d MB before the reloads", after>>20, before>>20)
	}
}

// TestChurnAndReloads proves that memory does not grow while clients connect and disconnect, and reloads
// replace their sink. CHURN_SECONDS sets its length.
func TestChurnAndReloads(t *testing.T) {
	duration := time.Duration(times("CHURN_SECONDS", 3)) * time.Second
	r, reload := startHeavy(t)
	var version, connected atomic.Int64
	churn := func(d time.Duration, every time.Duration) {
		stop := time.Now().Add(d)
		var clients sync.WaitGroup
		for id := range 8 {
			clients.Go(func() {
				random := rand.New(rand.NewPCG(uint64(id), 1))
				for time.Now().Before(stop) {
					if r.visit(random) {
						connected.Add(1)
					}
					time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond) // 8 goroutines make about 200 visits per second
				}
			})
		}
		for time.Now().Before(stop) {
			reload(int(version.Add(1)))
			time.Sleep(min(every, time.Until(stop)))
		}
		clients.Wait()
	}
	churn(min(duration/3, 20*time.Second), 100*time.Millisecond)
	before, goroutines := settledHeap(8<<20), runtime.NumGoroutine() // about the size of the heap
	every := 100 * time.Millisecond
	if duration > time.Minute {
		every = time.Second
	}
	churn(duration, every)
	reload(int(version.Add(1)))
	most := before + max(before/5, 8<<20) // a small heap varies by some histories and queues
	after := settledHeap(most)
	t.Logf("%d clients and %d reloads: %d KB before, %d KB after", connected.Load(), version.Load(), before>>10, after>>10)
	if after > most {
		t.Errorf("%d KB in use, %d KB before", after>>10, before>>10)
	}
	if n := settledGoroutines(t, r, goroutines+10); n > goroutines+10 { // the number of idle connections varies
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	if connected.Load() == 0 {
		t.Error("no client was ever connected")
	}
}

// visit connects a client of a random kind for a moment. It reports whether the client got a message: a
// sink that is being replaced disconnects its clients.
func (r *running) visit(random *rand.Rand) bool {
	path := []string{"/replaced", "/steady"}[random.IntN(2)]
	query := []string{"", "?filter=number%20>%205", "?offset=1"}[random.IntN(3)]
	if random.IntN(4) == 0 {
		ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+r.port+path+query, nil)
		if err != nil {
			r.t.Error(err)
			return false
		}
		req.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, err = resp.Body.Read(make([]byte, 32))
		return err == nil
	}
	dialer := websocket.Dialer{HandshakeTimeout: 10 * time.Second}
	if random.IntN(2) == 0 {
		dialer.Subprotocols = []string{"eventgateway.v2"}
	}
	conn, _, err := dialer.Dial("ws://127.0.0.1:"+r.port+path+query, nil)
	if err != nil {
		return false
	}
	defer conn.Close()
	for range 1 + random.IntN(5) {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, _, err := conn.ReadMessage(); err != nil {
			return false
		}
	}
	return true
}
