package plugintest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"
)

// label is a profiler label of the goroutines that a plugin starts. A goroutine inherits the labels of
// the goroutine that starts it, so the suite can tell those of the plugin from all others.
const label = "plugintest"

var labels atomic.Int64

// withLabel calls f with a new label, and returns the label.
func (c *check) withLabel(f func()) (id string) {
	id = fmt.Sprint(label, labels.Add(1))
	pprof.Do(context.Background(), pprof.Labels(label, id), func(context.Context) { f() })
	return id
}

// callHook calls a function of the harness without a label, because its goroutines are not the plugin's.
func (c *check) callHook(f func()) {
	done := make(chan struct{})
	goexit := true
	go func() {
		defer close(done)
		defer c.recover()
		pprof.SetGoroutineLabels(context.Background())
		f()
		goexit = false
	}()
	<-done
	if goexit {
		c.stop()
	}
}

// goroutinesWith returns the function in which each goroutine with a label is.
func goroutinesWith(id string) (places []string) {
	var text bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&text, 1)
	for _, g := range strings.Split(text.String(), "\n\n") {
		if !strings.Contains(g, `"`+label+`":"`+id+`"`) {
			continue
		}
		at, frames := "", strings.Split(g, "\n")
		for _, line := range frames {
			fields := strings.Fields(line)
			if len(fields) < 4 || fields[0] != "#" || !strings.HasPrefix(fields[1], "0x") {
				continue
			}
			name, _, _ := strings.Cut(fields[2], "+0x")
			if at == "" || isLibrary(at) && !isLibrary(name) {
				at = name
			}
		}
		if !strings.Contains(g, "go-redis/v9/internal/pool.(*ConnPool).tryDial") { // it checks only once a second whether the pool was closed
			places = append(places, at)
		}
	}
	return places
}

// isLibrary reports whether a function belongs to the standard library.
func isLibrary(name string) bool {
	first, _, deep := strings.Cut(name, "/")
	if !deep {
		return !strings.HasPrefix(name, "main.")
	}
	switch first {
	case "net", "internal", "os", "crypto", "runtime", "database", "encoding", "log":
		return true
	}
	return false
}

// waitGoroutines waits until no goroutine has a label. It returns those that remain at the timeout.
func (c *check) waitGoroutines(id string) []string {
	end := time.Now().Add(c.suite.timeout(c.suite.returnTimeout))
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		http.DefaultClient.CloseIdleConnections() // their goroutines belong to the process
		left := goroutinesWith(id)
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
		time.Sleep(pause) // a goroutine that ends gives no signal
	}
}
