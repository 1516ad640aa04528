package app

import (
	"fmt"
	"os"
	"testing"

	"eventgateway/gateway/testenv"
)

const pathsConfig = `
http: {listen: ":${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [paths]}}
sinks: {out: {%s}}
routes: {all: {from: [bus], to: [out]}}
`

// TestDashboardFindsWebSocketSink proves that the page connects to the path of the WebSocket sink, follows it after a reload, and
// shows the events of a tap while there is none.
func TestDashboardFindsWebSocketSink(t *testing.T) {
	redis := testenv.RedisClient(t)
	config := writeConfig(t, fmt.Sprintf(pathsConfig, "type: websocket, path: /live"))
	r := startGateway(t, config, nil)
	r.reloadable(config, map[string]string{"PORT": r.port, "REDIS_URL": testenv.Redis(t).URL()})
	b := openDashboard(t, r)
	receive := func(text string) {
		t.Helper()
		b.await(`document.querySelector("connection-state").dataset.state === "connected"`)
		testenv.Eventually(t, testenv.Wait, "a client at the sink", func() bool { n, _ := r.metric(`gateway_websocket_clients{sink="out"}`); return n == 1 })
		if err := redis.Publish(testenv.Context(t), "paths", text).Err(); err != nil {
			t.Fatal(err)
		}
		b.await(fmt.Sprintf(`document.querySelector("activity-log").innerText.includes(%q)`, text))
	}
	reload := func(sink string) {
		t.Helper()
		if err := os.WriteFile(config, fmt.Appendf(nil, pathsConfig, sink), 0o600); err != nil {
			t.Fatal(err)
		}
		r.reload(testenv.Context(t), "test")
	}
	receive("at first")
	reload("type: websocket, path: /elsewhere")
	receive("after the reload")
	broken := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.reload(testenv.Context(t), "test")
	}
	broken("http: {listen: \":${PORT}\"}\nsauces: {}\n")
	b.await(`document.querySelector("gateway-warnings").textContent.includes(":2:1: sauces: unknown") && document.querySelector("health-state").dataset.state === "failing"`)
	b.screenshots("reload-broken")
	reload("type: websocket, path: /elsewhere")
	b.await(`document.querySelector("gateway-warnings").textContent === "" && document.querySelector("health-state").dataset.state === "well"`)
	receive("after the mended reload")
	reload("type: stdout")
	b.await(isSampled + ` && document.querySelector("feed-note").textContent.includes("no sink of this gateway is a websocket")`)
	b.await(`document.querySelectorAll("flow-graph .node").length === 3`)
	publish(t, "paths", "by the tap")
	b.await(`document.querySelector("activity-log").innerText.includes("by the tap")`)
	b.screenshots("no-websocket")
	reload("type: websocket, path: /live")
	receive("after the tap")
	b.await(isNotSampled)
	b.checkErrors()
}
