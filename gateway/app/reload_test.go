package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/testenv"
)

// reloadable lets a gateway of startGateway reload its file.
func (r *running) reloadable(file string, env map[string]string) {
	r.reloader = newReloader([]string{file}, func(running *config.Config) (*config.Config, error) {
		cfg, problems := config.Load(config.Request{Files: []string{file}, Env: config.NewEnv(env), Plugins: plugins(), Running: running})
		if len(problems) > 0 {
			return nil, problems
		}
		return cfg, nil
	})
	r.reloader.levels = r.levels
}

// configVariants makes configurations of the same gateway with common components. Those of odd numbers
// are broken.
type configVariants struct{ dir, port string }

func (v configVariants) text(n int) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	k := n / 2
	p(`http: {listen: "127.0.0.1:%s"}`, v.port)
	p(`sources:`)
	p(`  made: {type: generate, rate: %d, position: %q}`, 300+k/7%3, v.dir+"/position") // it changes in every seventh
	p(`transforms:`)
	p(`  marked: {type: set, on_error: pass, fields: {generation: "%d"}}`, k%5)
	p(`sinks:`)
	p(`  browsers: {type: websocket, max_lag: {events: 1000000, bytes: 1GiB}}`)
	p(`  kept: {type: file, path: %q, sync: never, rotate: {keep: %d}, queue: {size: %d}}`, v.dir+"/kept.jsonl", k%2, 1000+k%3)
	p(`  extra_%d: {type: file, path: %q, sync: never}`, k%4, v.dir+"/extra.jsonl")
	p(`routes:`)
	p(`  all: {from: [made], to: [browsers, kept]}`)
	p(`  marked: {from: [made], through: [marked], to: [extra_%d]}`, k%4)
	if n%2 == 1 {
		switch k % 4 {
		case 0:
			p(`  broken: {from: [nowhere], to: [kept]}`)
		case 1:
			p(`nonsense: {`)
		case 2: // it can be built, but not opened
			p(`  more: {from: [made], to: [unopenable]}`)
			return strings.Replace(b.String(), "sinks:\n", fmt.Sprintf("sinks:\n  unopenable: {type: file, path: %q}\n", v.dir+"/no/such/folder"), 1)
		case 3: // the path is in use
			p(`  more: {from: [made], to: [second]}`)
			return strings.Replace(b.String(), "sinks:\n", "sinks:\n  second: {type: websocket}\n", 1)
		}
	}
	return b.String()
}

// TestReloadsUnderLoad proves that reloads disconnect no client and lose no event of a source with acks. Half of the
// reloads fail. Replaced components leave no goroutines and no files open. RELOADS sets the
// number of reloads.
func TestReloadsUnderLoad(t *testing.T) {
	reloads, clients := times("RELOADS", 100), 50
	if reloads >= 1000 {
		clients = 200
	}
	v := configVariants{dir: t.TempDir(), port: strconv.Itoa(testenv.FreePort(t))}
	file := filepath.Join(v.dir, "gateway.yaml")
	write := func(n int) {
		if err := os.WriteFile(file, []byte(v.text(n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	r := startGateway(t, file, nil)
	r.port = v.port
	r.reloadable(file, nil)
	var reading sync.WaitGroup
	lastSeen := make([]int, clients)
	stopped := make(chan struct{})
	for i := range clients {
		c := r.dial()
		reading.Go(func() {
			for last := -1; ; {
				_, msg, err := c.ReadMessage()
				if err != nil {
					select {
					case <-stopped:
					default:
						t.Errorf("client %d was disconnected: %v", i, err)
					}
					lastSeen[i] = last
					return
				}
				n := numberOf(msg)
				if last >= 0 && n > last+1 { // returned events are redelivered
					t.Errorf("client %d got event %d after %d", i, n, last)
				}
				last = max(last, n)
			}
		})
	}
	testenv.Eventually(t, testenv.Wait, "all clients", func() bool {
		return strings.Contains(r.metrics(), fmt.Sprintf(`gateway_websocket_clients{sink="browsers"} %d`, clients))
	})
	reload := func(n int) {
		write(n)
		r.reload(context.Background(), "test")
		if ok := strings.Contains(r.metrics(), "\ngateway_config_last_reload_successful 1\n"); ok != (n%2 == 0) {
			t.Fatalf("reload %d: successful is %v for\n%s", n, ok, v.text(n))
		}
	}
	for n := range 16 { // until all kinds of components have been built, before the count
		reload(n)
	}
	before := settledGoroutines(t, r, 0)
	begin := time.Now()
	for n := 16; n < reloads; n++ {
		reload(n)
	}
	t.Logf("%d reloads in %v", reloads-16, time.Since(begin).Round(time.Millisecond))
	reload(0)
	if after := settledGoroutines(t, r, before); after > before {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", after, before, buf[:runtime.Stack(buf, true)])
	}
	for k := 1; k < 4; k++ {
		if strings.Contains(r.metrics(), fmt.Sprint("extra_", k)) {
			t.Errorf("/metrics still shows extra_%d", k)
		}
	}
	if s := r.source("made"); s.Emitted < 300 || s.Acked == 0 {
		t.Errorf("%+v", s)
	}
	close(stopped)
	r.stop()
	reading.Wait()
	next := readPosition(t, v.dir+"/position")
	for i, last := range lastSeen {
		if last < next-1 {
			t.Errorf("client %d has seen up to %d, acked is up to %d", i, last, next-1)
		}
	}
	seen := map[int]bool{}
	files, err := filepath.Glob(v.dir + "/kept.jsonl*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		for n := range numbersIn(t, name) {
			seen[n] = true
		}
	}
	for n := range next {
		if !seen[n] {
			t.Fatalf("event %d of %d is lost", n, next)
		}
	}
	t.Logf("%d events, all there", next)
}

func numberOf(data []byte) int {
	digits := strings.TrimPrefix(string(data), `{"number":`)
	digits = digits[:strings.IndexAny(digits, ",}")]
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(err)
	}
	return n
}

// numbersIn returns the numbers of the events in the file of a file sink.
func numbersIn(t testing.TB, name string) map[int]bool {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[int]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		e, err := event.ParseLine(lines.Bytes())
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, lines.Bytes())
		}
		found[numberOf(e.Data)] = true
	}
	return found
}

func readPosition(t testing.TB, name string) int {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// settledGoroutines waits, for a bounded time, until there are at most so many goroutines, and returns their
// number. Replaced components end in the background.
func settledGoroutines(t *testing.T, r *running, most int) (n int) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 3*time.Second; time.Sleep(20 * time.Millisecond) {
		if n = runtime.NumGoroutine(); n <= most {
			return n
		}
	}
	return n
}

// TestReloadReportsSettingsThatNeedRestart proves that a reload reports the settings that need a restart, and applies
// the others.
func TestReloadReportsSettingsThatNeedRestart(t *testing.T) {
	port := strconv.Itoa(testenv.FreePort(t))
	dir := t.TempDir()
	text := func(listen, level, sink string) string {
		return fmt.Sprintf("http: {listen: %q, admin: {token: a token of tests}}\nlog: {level: %s}\nsources: {made: {type: generate}}\nsinks: {%s: {type: file, path: %q}}\nroutes: {r: {from: [made], to: [%s]}}\n",
			listen, level, sink, filepath.Join(dir, "out"), sink)
	}
	file := writeConfig(t, text("127.0.0.1:"+port, "info", "first"))
	r := startGateway(t, file, nil)
	r.port = port
	r.reloadable(file, nil)
	status := func() admin.Overview {
		var o admin.Overview
		_, body := r.getWithToken("/api/status", "a token of tests")
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return o
	}
	if o := status(); !o.Reload.Successful || o.Reload.Error != "" {
		t.Errorf("after the start: %+v", o.Reload)
	}
	for range 2 { // every reload reports it
		if err := os.WriteFile(file, []byte(text("127.0.0.1:1", "debug", "second")), 0o600); err != nil {
			t.Fatal(err)
		}
		r.reload(context.Background(), "test")
		if o := status(); !o.Reload.Successful || fmt.Sprint(o.Reload.RestartNeeded) != "[http.listen]" || o.Sinks[0].Name != "second" {
			t.Errorf("%+v, sink %s", o.Reload, o.Sinks[0].Name)
		}
	}
	if got := r.reloader.levels.Levels().Level; got != "debug" {
		t.Errorf("log level %v", got)
	}
	if err := os.WriteFile(file, []byte(text("127.0.0.1:1", "debug", "third")+"x: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload(context.Background(), "test")
	if o := status(); o.Reload.Successful || !strings.Contains(o.Reload.Error, "is not YAML") || o.Sinks[0].Name != "second" {
		t.Errorf("%+v, sink %s", o.Reload, o.Sinks[0].Name)
	}
}

// TestReloadDoesNotRelyOnStoreThatNeedsRestart proves that a reload which sets dead_letters.path does not allow what only a store that is open
// allows: events of a source that replays on which a transform fails, which would come back without end. It says that a restart is needed.
func TestReloadDoesNotRelyOnStoreThatNeedsRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := func(settings, onError string) string {
		return fmt.Sprintf("%s\nhttp: {listen: \"127.0.0.1:${PORT}\"}\nsources: {made: {type: generate, count: 1}}\ntransforms: {calc: {type: set, fields: {n: int(number)}%s}}\n"+
			"sinks: {out: {type: file, path: %q}}\nroutes: {r: {from: [made], through: [calc], to: [out]}}\n", settings, onError, filepath.Join(dir, "out"))
	}
	store := fmt.Sprintf("dead_letters: {path: %q}", filepath.Join(dir, "letters"))
	file := writeConfig(t, text("", ", on_error: drop"))
	r := startGateway(t, file, nil)
	r.reloadable(file, map[string]string{"PORT": r.port})
	reload := func(text string) admin.ReloadStatus {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return r.reload(t.Context(), "test")
	}
	if got := reload(text(store, ", on_error: drop")); !got.Successful || fmt.Sprint(got.RestartNeeded) != "[dead_letters]" {
		t.Errorf("a store that nothing relies on: %+v", got)
	}
	if got := reload(text(store, "")); got.Successful || !strings.Contains(got.Error, "restart the gateway, because a reload does not open the store") {
		t.Errorf("a store that a route relies on: %+v", got)
	}
}
