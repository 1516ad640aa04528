package app

import (
	"errors"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

// TestDashboardShowsTimeline proves that the page shows what has happened to the gateway and to its own connection, as text, also after F5,
// and that it can be filtered. Who has no secret gets nothing.
func TestDashboardShowsTimeline(t *testing.T) {
	redis, _ := testenv.StartRedis(t)
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [timeline], leader: timeline}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [bus], to: [browsers]}
`), map[string]string{"REDIS_URL": redis.URL()})
	b := openDashboard(t, r)
	b.await(pageIsWell)
	shown := func(kind, component, level, text string) {
		t.Helper()
		b.await(fmt.Sprintf(`[...document.querySelectorAll('timeline-view li[data-kind="%s"][data-level="%s"]')].some(li => li.querySelector(".name").textContent === %q && li.querySelector(".text").textContent.includes(%q))`, kind, level, component, text))
	}
	eval[bool](b, `(location.hash = "timeline", true)`)
	shown("gateway", "gateway", "info", "starts, version")
	shown("gateway", "gateway", "info", "ready")
	shown("leader", "source bus", "info", "leads timeline, term ")
	shown("gap", "source bus", "info", "at the start: ")

	redis.Kill()
	shown("outage", "source bus", "problem", "down: ")
	if err := redis.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	shown("outage", "source bus", "recovery", "works again after ")
	shown("gap", "source bus", "problem", "messages published meanwhile are lost")
	const evil = `<img src=x onerror="document.title='fooled'">`
	r.admin.RecordReload(errors.New("gateway.yaml:3:1: "+evil), nil)
	shown("reload", "configuration", "problem", "reload failed, the running configuration stays: gateway.yaml:3:1: "+evil)
	r.admin.RecordReload(nil, []string{"http.listen"})
	shown("reload", "configuration", "info", "reloaded, restart needed for http.listen")
	b.run(chromedp.Click("#reconnect"))
	shown("page", "this page", "problem", "the connection is lost")
	shown("page", "this page", "recovery", "the connection works again")
	if found := eval[int](b, `document.querySelectorAll("timeline-view img").length`); found != 0 {
		t.Error("text became markup")
	}
	b.screenshots("timeline")

	choose := func(label, value string) {
		t.Helper()
		eval[bool](b, fmt.Sprintf(`((select) => { select.value = %q; select.dispatchEvent(new Event("change")); return select.value === %[1]q })([...document.querySelectorAll("timeline-view label")].find(l => l.textContent.startsWith(%q)).querySelector("select"))`, value, label))
	}
	choose("Kind", "reload")
	b.await(`document.querySelectorAll("timeline-view li").length === 2`)
	choose("Component", "gateway")
	b.await(`document.querySelectorAll("timeline-view li").length === 0 && !document.querySelector("timeline-view .empty").hidden`)
	choose("Kind", "")
	b.await(`document.querySelectorAll("timeline-view li").length === 2`)

	b.run(chromedp.Reload()) // F5
	shown("leader", "source bus", "info", "leads timeline, term ")
	shown("page", "this page", "problem", "the connection is lost")
	if got := send(t, "GET", "http://127.0.0.1:"+r.port+"/api/timeline", "", nil).StatusCode; got != 401 {
		t.Errorf("without the secret: %d", got)
	}
	b.checkErrors()
}
