package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventgateway/gateway/testenv"
)

// times returns the number in an environment variable, else the default.
func times(variable string, byDefault int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return byDefault
}

// TestStopUnderLoad proves that a gateway at full rate stops within its deadline. It has clients that read and
// one that does not, an endpoint that hangs, and a sink whose events are parked. The conservation law holds,
// acked events are in the file, and no goroutine is left. STOPS sets the number of stops.
func TestStopUnderLoad(t *testing.T) {
	testenv.Postgres(t)
	testenv.Redis(t)
	before := goleak.IgnoreCurrent()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) }))
	const shutdown = 1500 * time.Millisecond
	for n := range times("STOPS", 4) {
		dir := t.TempDir()
		port := strconv.Itoa(testenv.FreePort(t))
		file := writeConfig(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:%s"}
shutdown_timeout: %s
sources:
  made: {type: generate, rate: 0, size: 200, position: %q}
sinks:
  browsers: {type: websocket}
  kept: {type: file, path: %q, sync: never}
  refused: {type: webhook, url: %q, allow: [127.0.0.1], workers: 4, dead_letter: parked, best_effort: true, queue: {size: 100, max_block: 0s}}
  hanging: {type: webhook, url: %q, allow: [127.0.0.1], best_effort: true, queue: {size: 100, when_full: drop_oldest}}
  parked: {type: file, path: %q, sync: never}
routes:
  all: {from: [made], to: [browsers, kept, refused, hanging]}
`, port, shutdown, dir+"/position", dir+"/kept.jsonl", refusing.URL, hanging.URL, dir+"/parked.jsonl"))
		r := startGateway(t, file, nil)
		r.port = port
		reader, lazy := r.dial(), r.dial()
		go func() {
			for {
				if _, _, err := reader.ReadMessage(); err != nil {
					return
				}
			}
		}()
		testenv.Eventually(t, testenv.Wait, "under load", func() bool { return r.sink("kept").Delivered > uint64(5000+1000*(n%7)) })
		begin := time.Now()
		r.stop()                                                       // and checks the conservation law
		if took := time.Since(begin); took > shutdown+10*time.Second { // HTTP stops last, and the machine may be busy
			t.Errorf("stop %d took %v", n, took)
		}
		lazy.Close()
		reader.Close()
		kept := numbersIn(t, filepath.Join(dir, "kept.jsonl"))
		for i := range readPosition(t, dir+"/position") {
			if !kept[i] {
				t.Fatalf("stop %d: event %d was acked and is lost", n, i)
			}
		}
	}
	close(release)
	hanging.Close()
	refusing.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
