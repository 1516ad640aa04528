package app

import (
	"errors"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestDashboardShowsWhatIsParked, whose text stays text, who leads, and what is wrong
// with the configuration.
func TestDashboardShowsWhatIsParked(t *testing.T) {
	const config = `
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [parked], leader: dashboard}
transforms:
  large: {type: filter, when: order.amount > 100}
sinks:
  browsers: {type: websocket}
  out: {type: websocket, path: /large}
routes:
  all: {from: [bus], to: [browsers]}
  large: {from: [bus], through: [large], to: [out]}
`
	redis := testenv.RedisClient(t)
	r := startGateway(t, writeConfig(t, config), nil)
	b := openDashboard(t, r)
	b.await(`document.querySelector("component-list").innerText.includes("leader")`)
	b.await(`document.querySelector("key-figures").innerText.includes("Accounted for")`)
	if !eval[bool](b, `document.querySelector(".letters").hidden`) {
		t.Error("there are dead letters before there is one")
	}
	const evil = `<img src=x onerror="document.title='fooled'">`
	for _, payload := range []string{evil, `{"order":{"amount":null}}`} {
		if err := redis.Publish(testenv.Context(t), "parked", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`document.querySelectorAll("dead-letters li").length === 2`)
	b.await(`[...document.querySelectorAll("dead-letters code")].some(c => c.textContent.startsWith("<img src=x"))`)
	b.await(`document.querySelector("dead-letters").innerText.includes("route large, transform large")`)
	b.shot("dead-letters")
	if title := eval[string](b, `document.title`); title != "Event gateway" || eval[int](b, `document.querySelectorAll("dead-letters img").length`) != 0 {
		t.Errorf("fooled: %s", title)
	}
	r.admin.Reloaded(errors.New("gateway.yaml:3:1: "+evil), nil)
	b.await(`document.querySelector(".warning")?.textContent.includes("gateway.yaml:3:1: <img")`)
	b.shot("reload-failed")
	r.admin.Reloaded(nil, []string{"http.listen"})
	b.await(`document.querySelector(".warning")?.textContent === "Restart needed: http.listen"`)
	b.noFaults()
}
