package app

import (
	"fmt"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestClientPingsWhenPageReturns proves that a page that becomes visible sends a ping at once, and reconnects if
// its connection is half open. The heartbeat of ten minutes would be too late.
func TestClientPingsWhenPageReturns(t *testing.T) {
	r := startLeading(t, nil)
	proxy, url := testenv.ProxyURL(t, "http://127.0.0.1:"+r.port+"/")
	b := openURL(t, url)
	eval[bool](b, `(window.states = [], import("/client/index.js").then(({ GatewayClient }) => {
		window.client = new GatewayClient("ws://" + location.host + "/", { heartbeat: 600_000 });
		client.addEventListener("state", ({ detail }) => states.push(detail.state));
		client.subscribe({}, {});
	}), true)`)
	awake := func(event string) {
		t.Helper()
		eval[bool](b, event+`, states.length = 0, true`)
	}
	const visible, shown = `document.dispatchEvent(new Event("visibilitychange"))`, `dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))`
	for _, event := range []string{visible, shown} {
		b.await(`globalThis.client?.state === "connected" && client.lastMessageAt > 0`)
		before := eval[float64](b, `client.lastMessageAt`)
		awake(event) // of a connection that works
		b.await(fmt.Sprintf(`client.lastMessageAt > %f`, before))
		if n := eval[int](b, `states.length`); n != 0 {
			t.Errorf("%s: a connection that works was given up", event)
		}
		thaw := proxy.Freeze()
		awake(event)
		b.await(`states[0] === "silent"`)
		thaw()
	}
	b.checkErrors()
}

// TestLongIDsAreDistinct proves that the page shows two orders whose ids JavaScript would round to the same number.
func TestLongIDsAreDistinct(t *testing.T) {
	r := startLeading(t, nil)
	b := openDashboard(t, r)
	for _, id := range []string{"9007199254740993", "9007199254740992", "-9007199254740993", "7"} {
		if err := testenv.RedisClient(t).Publish(testenv.Context(t), "orders_updates", `{"operation":"INSERT","order":{"id":`+id+`,"customer_name":"Ada"}}`).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`document.querySelectorAll("tr[data-operation]").length === 4`)
	b.await(`document.querySelector("event-view table").innerText.includes("9007199254740993") && document.querySelector("event-view table").innerText.includes("-9007199254740993") && document.querySelector("event-view table").innerText.includes("9007199254740992")`)
	b.checkErrors()
}
