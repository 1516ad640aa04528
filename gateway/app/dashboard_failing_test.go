package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestDashboardShowsFailingComponentsThatAreUp proves that the page, the status and /metrics show a sink with a
// delayed event and a route with a failing event as failing, and that they do so only as long as that lasts.
func TestDashboardShowsFailingComponentsThatAreUp(t *testing.T) {
	var well atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) == `{"number":7}` && !well.Load() {
			http.Error(w, "not yet", http.StatusInternalServerError)
		}
	}))
	defer receiver.Close()
	redis := testenv.RedisClient(t)
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  made: {type: generate, rate: 0, count: 10, key: number}
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [fails]}
transforms:
  large: {type: filter, when: order.amount > 100}
sinks:
  browsers: {type: websocket}
  shop: {type: webhook, url: %q, allow: [127.0.0.1], workers: 4, retry: {initial: 50ms, max: 50ms}, breaker: {failures: 0}}
routes:
  all: {from: [made], to: [shop]}
  large: {from: [bus], through: [large], to: [browsers]}
`, receiver.URL)), nil)
	publish := func(payload string) {
		t.Helper()
		if err := redis.Publish(testenv.Context(t), "fails", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	publish("no JSON")
	b := openDashboard(t, r)
	errorOf := func(name string) string {
		return fmt.Sprintf(`document.querySelector('component-list li[data-name="%s"] .error:not([hidden])')`, name)
	}
	b.await(`/^2 of 6 failing: large, shop, [0-9]+ queued, since [0-9:]+$/.test(document.querySelector("health-state").textContent)`)
	b.await(`/answered 500 .*not yet.* ago\)$/.test(` + errorOf("shop") + `.textContent)`)
	b.await(`document.querySelector('component-list li[data-name="shop"]').dataset.up === "true"`)
	for name, shown := range map[string]string{"shop": "sink", "large": "route"} {
		b.await(errorOf(name) + ` && !` + errorOf(name) + `.classList.contains("past")`)
		if failing, _ := r.metric(fmt.Sprintf(`gateway_failing{component=%[1]q,kind=%[2]q,%[2]s=%[1]q}`, name, shown)); failing != 1 {
			t.Errorf("gateway_failing of %s is %v", name, failing)
		}
	}
	if s := r.sink("shop"); !s.Up || !s.Failing || s.LastErrorAt == nil {
		t.Errorf("%+v", s)
	}
	b.screenshots("fails-although-up")
	well.Store(true)
	publish(`{"order":{"amount":101}}`)
	b.await(pageIsWell)
	for name, shown := range map[string]string{"shop": "sink", "large": "route"} {
		b.await(errorOf(name) + `.classList.contains("past") && ` + errorOf(name) + `.textContent.startsWith("Past: ")`)
		if failing, ok := r.metric(fmt.Sprintf(`gateway_failing{component=%[1]q,kind=%[2]q,%[2]s=%[1]q}`, name, shown)); failing != 0 || !ok {
			t.Errorf("gateway_failing of %s is %v, %v", name, failing, ok)
		}
	}
	if s := r.sink("shop"); s.Failing || s.LastError == "" {
		t.Errorf("%+v", s)
	}
	b.await(`(document.querySelector('component-list li[data-name="shop"] details').open = true)`)
	b.screenshots("works-again")
	b.checkErrors()
}
