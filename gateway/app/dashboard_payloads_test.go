package app

import (
	"fmt"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestDashboardSurvivesOddPayloads proves that the page works after payloads that it cannot show, and the client
// after refused subscriptions.
func TestDashboardSurvivesOddPayloads(t *testing.T) {
	redis := testenv.RedisClient(t)
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [hostile]}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [bus], to: [browsers]}
`), nil)
	b := openPage(t, r, "?ws="+fmt.Sprintf("ws://127.0.0.1:%s/", r.port)+r.admin.Link(true))
	b.await(`document.querySelector("#server").textContent.includes("` + r.port + `")`)
	eval[bool](b, `(window.told = [], window.heard = [], import("/client/index.js").then(({ GatewayClient }) => {
		const client = window.client = new GatewayClient("ws://" + location.host + "/");
		window.subscription = client.subscribe({ filter: "order.id == 999" }, { onMessage: (payload) => heard.push(payload), onRefused: (why) => told.push(why) });
	}), true)`)
	b.await(`window.client?.state === "connected"`)
	testenv.Eventually(t, testenv.Wait, "two clients", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 2`) })
	nested := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, message := range []string{
		`{"operation":"INSERT","order":{"id":666},"_published_at":{"toString":1,"valueOf":1}}`,
		`{"operation":"INSERT","order":{"id":667,"customer_name":` + nested + `}}`,
		`{"operation":"INSERT","order":{"id":` + nested + `,"customer_name":{"toString":1}}}`,
		`{"operation":"INSERT","order":{"id":{"toString":1},"amount":{"toJSON":1}},"_published_at":[{}]}`,
		`{"operation":"INSERT","order":{"id":999,"customer_name":"the last"},"_published_at":"2026-01-01T00:00:00Z"}`,
	} {
		if err := redis.Publish(testenv.Context(t), "hostile", message).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`document.querySelector("tbody tr")?.textContent.includes("the last") && document.querySelectorAll("tbody tr").length >= 4 && heard.length === 1`)
	eval[bool](b, `(subscription.change({ filter: "order.id == 1000" }), subscription.change({ filter: "repeat(a, 9) == b" }), true)`)
	b.await(`told.length === 1 && told[0].includes("repeat")`)
	eval[bool](b, `(client.connect(), subscription.change({ filter: "repeat(a, 8) == b" }), client.connect(), true)`)
	b.await(`told.length === 2 && client.state === "connected"`)
	for _, id := range []int{999, 1000} {
		if err := redis.Publish(testenv.Context(t), "hostile", fmt.Sprintf(`{"operation":"UPDATE","order":{"id":%d}}`, id)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`heard.length === 2 && heard[1].includes("1000")`)
	eval[bool](b, `(client.close(), dispatchEvent(new Event("online")), client.connect(), true)`)
	b.await(`client.state === "disconnected"`)
	testenv.Eventually(t, testenv.Wait, "one client", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 1`) })
	b.checkErrors()
}
