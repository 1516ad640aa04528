package router_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"
	"weak"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

// everyPlugin is a configuration of plugins that connect to something, or remember something.
// Another number replaces them all.
const everyPlugin = `
sources:
  notify: {type: postgres-notify, url: "%[1]s&application_name=v%[4]d", channels: [letgo], leader: letgo_notify}
  outbox: {type: postgres-outbox, url: "%[1]s&application_name=v%[4]d", name: letgo, leader: letgo_outbox}
  bus: {type: redis-sub, url: "%[2]s", channels: [letgo_%[4]d]}
  stream: {type: redis-stream, url: "%[2]s", stream: letgo_%[4]d, leader: letgo_stream}
  group: {type: redis-stream, url: "%[2]s", stream: letgo_%[4]d, group: letgo}
  made: {type: generate, rate: %[5]d}
transforms:
  set: {type: set, on_error: drop, fields: {version: "%[4]d"}}
  dedupe: {type: dedupe, on_error: drop, window: %[5]ds}
  throttle: {type: throttle, on_error: drop, events: %[5]d}
sinks:
  pub: {type: redis-pub, url: "%[2]s", channel: letgo_pub_%[4]d}
  stored: {type: redis-stream, url: "%[2]s", stream: letgo_stored_%[4]d}
  hook: {type: webhook, url: "%[3]s/?version=%[4]d", allow: [127.0.0.0/8]}
  browsers: {type: websocket, welcome: {version: "%[4]d"}}
  file: {type: file, path: "%[6]s/out", rotate: {keep: %[4]d}}
routes:
  all: {from: [stream, group, outbox, made], through: [set, throttle], to: [pub, stored, hook, browsers, file], dead_letter: file}
  lossy: {from: [notify, bus], through: [dedupe], to: [pub], dead_letter: file}
`

// TestNoPluginStaysAfterAReload: each of ours, connected to real servers, is let go of by its
// goroutines, timers, pools and whatever library it uses.
func TestNoPluginStaysAfterAReload(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	dir := t.TempDir()
	set := plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()}
	r := router.New(slog.New(slog.NewTextHandler(t.Output(), nil)))
	left := map[string]weak.Pointer[byte]{}
	plan := func(v int) *router.Plan {
		file := filepath.Join(dir, "gateway.yaml")
		text := fmt.Sprintf(everyPlugin, testenv.Postgres(t).URL(), testenv.Redis(t).URL(), receiver.URL, v, 100+v, dir)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, problems := config.Load(config.Request{Files: []string{file}, Env: config.NewEnv(nil), Plugins: set})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		p, err := r.Plan(cfg.Graph, httpserver.NewTable())
		if err != nil {
			t.Fatal(err)
		}
		p.Plugins(func(name string, impl any) {
			left[fmt.Sprint(name, " of version ", v)] = weak.Make((*byte)(unsafe.Pointer(reflect.ValueOf(impl).Pointer())))
		})
		return p
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func(p *router.Plan) { ended <- r.Run(ctx, p) }(plan(0))
	const last = 3
	for v := 1; v <= last; v++ {
		for !delivered(r) { // by every sink; so all of them are connected
			time.Sleep(10 * time.Millisecond)
		}
		if err := r.Reload(testenv.Context(t), plan(v), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		runtime.GC()
		var names []string
		for name, p := range left {
			if p.Value() != nil && name[len(name)-1:] != fmt.Sprint(last) {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			if p := left[fmt.Sprint("sink browsers of version ", last)]; p.Value() == nil {
				t.Error("what runs is not in memory: this test shows nothing")
			}
			break
		}
		if time.Since(begin) > testenv.Wait {
			slices.Sort(names)
			t.Errorf("still in memory: %q", names)
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// delivered reports whether every sink has delivered something, and every source was run.
func delivered(r *router.Router) bool {
	st := r.Status()
	for _, s := range st.Sinks {
		if s.Delivered == 0 || !s.Up {
			return false
		}
	}
	for _, s := range st.Sources {
		if !s.Up && s.LastError == "" {
			return false
		}
	}
	return len(st.Sinks) > 0
}
