package app

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

// TestDashboardShowsDeadLetters proves that the page shows dead letters as text, the leader, and the error of a
// reload.
func TestDashboardShowsDeadLetters(t *testing.T) {
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
	b.await(`(location.hash = "dead-letters", document.querySelector("dead-letter-view")?.innerText.includes("No dead letters"))`)
	const evil = `<img src=x onerror="document.title='fooled'">`
	for _, payload := range []string{evil, `{"order":{"amount":null}}`} {
		if err := redis.Publish(testenv.Context(t), "parked", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`document.querySelectorAll("letter-table tbody tr").length === 2`)
	b.await(`[...document.querySelectorAll("letter-table code")].some(c => c.textContent.startsWith("<img src=x"))`)
	b.await(`document.querySelector("dead-letter-view").innerText.includes("route large, transform large")`)
	b.screenshot("dead-letters")
	if title := eval[string](b, `document.title`); strings.Contains(title, "fooled") || eval[int](b, `document.querySelectorAll("dead-letter-view img").length`) != 0 {
		t.Errorf("fooled: %s", title)
	}
	r.admin.RecordReload(errors.New("gateway.yaml:3:1: "+evil), nil)
	b.await(`document.querySelector(".warning")?.textContent.includes("gateway.yaml:3:1: <img")`)
	b.await(`document.querySelector("health-state").dataset.state === "failing" && document.querySelector("health-state").title.includes("configuration: reload failed")`)
	b.screenshot("reload-failed")
	r.admin.RecordReload(nil, []string{"http.listen"})
	b.await(`document.querySelector(".warning")?.textContent === "Restart needed: http.listen"`)
	b.checkErrors()
}

// TestDashboardShowsSinkFailures proves that the page shows delayed and blocked events, and a sink whose
// receiver has disabled it.
func TestDashboardShowsSinkFailures(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/gone":
			w.WriteHeader(http.StatusGone)
		case string(body) == `{"number":7}`:
			http.Error(w, "not this one", http.StatusInternalServerError)
		}
	}))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}"}
shutdown_timeout: 1s
sources: {made: {type: generate, rate: 0, count: 50, key: number %% 10}}
sinks:
  browsers: {type: websocket}
  shop: {type: webhook, url: %q, allow: [127.0.0.1], workers: 4, retry: {initial: 1h, max: 1h}}
  former: {type: webhook, url: %q, allow: [127.0.0.1]}
routes: {all: {from: [made], to: [shop, former]}, none: {from: [made], when: "false", to: [browsers], dead_letter: shop}}
`, receiver.URL, receiver.URL+"/gone")), nil)
	b := openDashboard(t, r)
	b.await(`document.querySelector("component-list").innerText.includes("retrying 1 · held back 4")`)
	b.await(`document.querySelector("component-list").innerText.includes("disabled by its receiver")`)
	b.await(`document.querySelector("component-list").innerText.includes("answered 410 Gone")`)
	b.screenshot("sinks-fail")
	if _, body := r.get("/api/status"); !strings.Contains(body, `"state": "disabled"`) {
		t.Errorf("status: %s", body)
	}
	if _, body := r.get("/metrics"); !strings.Contains(body, `gateway_sink_disabled{sink="former"} 1`) || !strings.Contains(body, `gateway_sink_retrying{sink="shop"} 1`) {
		t.Errorf("metrics: %s", body)
	}
	b.checkErrors()
}

// TestDashboardNeedsSecretForState proves that the page without the secret shows events only, and how to open the
// state. The link of the start opens it in the same tab, and is removed from the address.
func TestDashboardNeedsSecretForState(t *testing.T) {
	testenv.OrdersTable(t)
	redis := testenv.RedisClient(t)
	r := startLeading(t, nil)
	b := openPage(t, r, "")
	b.await(`document.querySelector("#locked").innerText.includes("http.admin.token") && document.querySelector("component-list").innerText.includes("they need the secret")`)
	if err := redis.Publish(testenv.Context(t), "orders_updates", "an event").Err(); err != nil {
		t.Fatal(err)
	}
	b.await(`document.querySelector("activity-log").innerText.includes("an event")`)
	b.screenshot("locked")
	eval[bool](b, `(location.hash = "#token=wrong", true)`)
	b.await(`document.querySelector("activity-log").innerText.includes("This secret is wrong, or the link has expired")`)
	eval[bool](b, fmt.Sprintf(`(location.hash = %q, true)`, r.admin.Link(false)))
	b.await(`document.querySelectorAll('component-list li[data-up="true"]').length === 4`)
	if left := eval[string](b, `location.href + document.cookie`); left != "http://127.0.0.1:"+r.port+"/" {
		t.Errorf("scripts and the history see: %s", left)
	}
	b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/"))
	b.await(`document.querySelectorAll('component-list li[data-up="true"]').length === 4`)
	b.checkErrors()
}
