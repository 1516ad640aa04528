package main

import (
	"encoding/json"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

const historyConfig = `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 100}}
sinks: {browsers: {type: websocket}}
routes: {all: {from: [made], to: [browsers]}}
`

// TestHistoryOfFrozenGateway proves that the seconds in which the process was stopped have no figures in the history, and are in it.
func TestHistoryOfFrozenGateway(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.yaml")
	writeFile(t, file, historyConfig)
	p := startBinary(t, nil, "-c", file)
	p.awaitReady()
	var page struct {
		Start int64
		Count int
		Total map[string][]*float64
	}
	history := func() {
		_, body := p.ask("/api/history", "localhost", map[string][]string{"Authorization": {"Bearer " + p.secret()}})
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("%v: %.300s", err, body)
		}
	}
	measured := func() bool { history(); return page.Count > 0 && page.Total["queued"][page.Count-1] != nil }
	testenv.Eventually(t, testenv.Wait, "figures", measured)
	before := page.Count
	signal := func(s syscall.Signal) {
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	time.Sleep(3500 * time.Millisecond) // the time is what is tested
	signal(syscall.SIGCONT)
	testenv.Eventually(t, testenv.Wait, "figures after the stop", func() bool { return measured() && page.Count >= before+4 })
	missing := 0
	for i := before; i < page.Count; i++ {
		if page.Total["queued"][i] == nil {
			missing++
			for name, figures := range page.Total {
				if figures[i] != nil {
					t.Errorf("%s is %v in a second in which the process was stopped", name, *figures[i])
				}
			}
		}
	}
	if missing < 2 {
		t.Errorf("%d seconds have no figures: %+v", missing, page.Total["queued"])
	}
	if latest := page.Start + int64(page.Count-1)*1000; time.Since(time.UnixMilli(latest)).Abs() > time.Minute {
		t.Errorf("the latest figure is of %v", time.UnixMilli(latest))
	}
}
