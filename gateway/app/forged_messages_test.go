package app

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// imitations are payloads that are equal to messages of the gateway itself.
var imitations = []string{
	`{"type":"position","offset":1}`,
	`{"type":"subscribed","epoch":"EVIL","offset":1,"seen":0,"recovered":false}`,
	`{"type":"gap","reason":"forged"}`,
	`{"type":"leave","message":{"order":{"id":1}}}`,
	`{"type":"error","reason":"forged"}`,
	`{"type":"welcome","msg":"forged"}`,
	`{"type":"pong","timestamp":1}`,
	`{"type":"close","code":1000}`,
}

// TestClientScriptIgnoresForgedMessages proves that the client never takes an event for a message of the gateway.
func TestClientScriptIgnoresForgedMessages(t *testing.T) {
	redis := testenv.RedisClient(t)
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [imitations]}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [bus], to: [browsers]}
`), nil)
	b := openDashboard(t, r)
	publish := func(messages ...string) {
		t.Helper()
		for _, m := range messages {
			if err := redis.Publish(testenv.Context(t), "imitations", m).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	eval[bool](b, `(window.heard = [], window.told = [], import("/client/index.js").then(({ GatewayClient }) => {
		const client = window.client = new GatewayClient("ws://" + location.host + "/");
		for (const name of ["pong", "refused", "welcome"]) client.addEventListener(name, ({ detail }) => told.push([name, detail]));
		const tell = (name) => (...detail) => told.push([name, ...detail]);
		client.subscribe({}, { onMessage: (payload) => heard.push(payload), onLeave: tell("leave"), onGap: tell("gap"), onResumed: tell("resumed"), onRefused: tell("refused") });
	}), true)`)
	b.await(`window.client?.state === "connected"`)
	testenv.Eventually(t, testenv.Wait, "two clients", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 2`) })
	publish(imitations...)
	publish("end")
	b.await(`heard.includes("end")`)
	want := append(slices.Clone(imitations), "end")
	if got := eval[[]string](b, `heard`); !slices.Equal(got, want) {
		t.Errorf("heard %q", got)
	}
	if got := eval[string](b, `JSON.stringify(told)`); got != "[]" {
		t.Errorf("told %s", got)
	}
	eval[bool](b, `(client.connect(), true)`)
	b.await(`told.length === 1`)
	publish("later")
	b.await(`heard.includes("later")`)
	if got := eval[string](b, `JSON.stringify([told, heard.slice(-2)])`); got != `[[["resumed"]],["end","later"]]` {
		t.Errorf("after it came back: %s", got)
	}
	b.checkErrors()
}

// recordingOutput is a [plugin.Output] that records events and gaps.
type recordingOutput struct {
	plugintest.Output
	mu     sync.Mutex
	events []string
	gaps   []string
	more   chan struct{} // capacity 1
}

func (o *recordingOutput) Ready() {}

func (o *recordingOutput) Emit(_ context.Context, b event.Batch) error {
	o.mu.Lock()
	for _, e := range b.Events {
		o.events = append(o.events, string(e.Data))
	}
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return nil
}

func (o *recordingOutput) Gap(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gaps = append(o.gaps, reason)
}

// TestTailIgnoresForgedMessages proves the same for `gateway tail`.
func TestTailIgnoresForgedMessages(t *testing.T) {
	redis := testenv.RedisClient(t)
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [tailed]}
sinks:
  browsers: {type: websocket, welcome: {type: welcome, msg: hello}}
routes:
  all: {from: [bus], to: [browsers]}
`), nil)
	built, err := websocketClient().Build(&websocketClientOptions{URL: options.NewURL("ws://127.0.0.1:" + r.port + "/")}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	source := built
	out := &recordingOutput{more: make(chan struct{}, 1)}
	want := append(slices.Clone(imitations), "end")
	for round := range 2 { // the second one is a reconnect
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Wait)
		ended := make(chan error, 1)
		go func() { ended <- source.Run(ctx, out) }()
		testenv.Eventually(t, testenv.Wait, "a client", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 1`) })
		for _, m := range want {
			if err := redis.Publish(ctx, "tailed", m).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for n := 0; n < (round+1)*len(want); {
			select {
			case <-out.more:
			case <-ctx.Done():
				t.Fatal("events are missing")
			}
			out.mu.Lock()
			n = len(out.events)
			out.mu.Unlock()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		testenv.Eventually(t, testenv.Wait, "no client", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 0`) })
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	forged := slices.DeleteFunc(out.gaps, func(reason string) bool { return strings.HasPrefix(reason, "the source starts") }) // the gap of the start is not forged
	if !slices.Equal(out.events, append(want, want...)) || len(forged) > 0 {
		text, _ := json.Marshal(out.events)
		t.Errorf("gaps %q, events %s", forged, text)
	}
}
