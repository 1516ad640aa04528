package app

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/testenv"
)

const tapPageConfig = `
http: {listen: ":${PORT}"}
sources:
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [tapped]}
transforms:
  private: {type: mask, fields: [card]}
  stamp: {type: set, fields: {seen: "true", order.status: '"paid"'}}
  large: {type: filter, when: order.amount > 100}
sinks:
  browsers: {type: websocket}
routes:
  %s: {from: [bus], through: [private, stamp, large], to: [browsers]}
`

// viewers returns how many look at taps now.
func (r *running) viewers() int {
	var mine []*tap.Viewer
	for {
		v, err := r.router.Taps().Watch("dead_letters", tap.Options{Limit: 1})
		if err != nil { // there are too many
			break
		}
		mine = append(mine, v)
	}
	for _, v := range mine {
		v.Close()
	}
	return tap.MaxViewers - len(mine)
}

// TestDashboardTapsComponents proves that the page shows what passes a component, with what each transform changes, as text and without
// what is masked; that a filter applies and a wrong one is explained; that it connects again, and costs nothing when nobody looks.
func TestDashboardTapsComponents(t *testing.T) {
	redis := testenv.RedisClient(t)
	config := writeConfig(t, fmt.Sprintf(tapPageConfig, "all"))
	r := startGateway(t, config, nil)
	r.reloadable(config, map[string]string{"PORT": r.port, "REDIS_URL": testenv.Redis(t).URL()})
	b := openDashboard(t, r)
	b.await(pageIsWell)
	publish := func(payload string) {
		t.Helper()
		if err := redis.Publish(testenv.Context(t), "tapped", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// until publishes a payload until a condition holds: the page shows a sample of what passes while it is connected.
	until := func(payload, condition string) {
		t.Helper()
		testenv.Eventually(t, 2*testenv.Wait, condition, func() bool {
			publish(payload)
			time.Sleep(300 * time.Millisecond) // fewer than the limit of the sample
			return eval[bool](b, `!!(`+condition+`)`)
		})
	}
	watched := func(n int) {
		t.Helper()
		testenv.Eventually(t, testenv.Wait, fmt.Sprint(n, " viewers"), func() bool { return r.viewers() == n })
	}
	const item = `[...document.querySelectorAll("tap-view li")].find(li => li.textContent.includes(%q))`
	eval[bool](b, `(location.hash = "component/route/all", true)`)
	b.await(`([...document.querySelectorAll("component-detail [role=tab]")].find(t => t.textContent === "Tap")?.click(), document.querySelector("tap-view .state").textContent === "Connected")`)
	watched(1)
	first := fmt.Sprintf(item, `"id":1`)
	until(`{"order":{"id":1,"amount":180,"status":"new"},"card":"4242","note":"<img src=x onerror=\"document.title='fooled'\">"}`, first+`?.querySelector(".badge").textContent === "sent"`)
	b.await(`[...` + first + `.querySelectorAll("details")].map(d => d.querySelector("summary").textContent.replace(/ .*: /, " ")).join("; ") === "private 1 changed; stamp 2 changed; large unchanged"`)
	b.await(first + `.querySelectorAll('tr[data-change="added"]').length === 1 && ` + `[...` + first + `.querySelectorAll('tr[data-change="changed"] th')].some(th => th.textContent === "~ order.status")`)
	b.await(first + `.querySelector(".sides").children.length === 2 && ` + first + `.textContent.includes("<img src=x")`)
	if leaked, images := eval[bool](b, first+`.textContent.includes("4242")`), eval[int](b, `document.querySelectorAll("tap-view img").length`); leaked || images != 0 {
		t.Errorf("a masked value is shown: %v; %d elements made of text", leaked, images)
	}
	until(`{"order":{"id":2,"amount":1}}`, fmt.Sprintf(item, `"id":2`)+`?.querySelector(".badge").textContent === "filtered"`)
	b.await(`/^\d+ have passed, \d+ shown/.test(document.querySelector("tap-view .counts").textContent)`)
	b.screenshots("tap")

	filter := func(text string) {
		t.Helper()
		eval[bool](b, fmt.Sprintf(`(document.querySelector("tap-view input").value = %q, document.querySelector("tap-view form").requestSubmit(), true)`, text))
	}
	filter(`order.amount >`)
	b.await(`document.querySelector("tap-view .state.error")?.textContent.startsWith("filter: ")`)
	watched(0)
	filter(`order.amount > 200`)
	b.await(`document.querySelector("tap-view .state").textContent === "Connected"`)
	until(`{"order":{"id":3,"amount":150}}`, `/[1-9]\d* do not match the filter/.test(document.querySelector("tap-view .counts").textContent)`)
	until(`{"order":{"id":4,"amount":250}}`, fmt.Sprintf(item, `"id":4`))
	if eval[bool](b, fmt.Sprintf(`!!(`+item+`)`, `"id":3`)) {
		t.Error("an event is shown that does not match the filter")
	}

	// While paused, events are kept.
	eval[bool](b, `([...document.querySelectorAll("tap-view button")].find(b => b.textContent === "Pause").click(), true)`)
	eval[int](b, `window.before = document.querySelectorAll("tap-view li").length`)
	until(`{"order":{"id":5,"amount":250}}`, `Number(document.querySelector("tap-view .counts").textContent.match(/(\d+) shown/)?.[1]) > before`)
	if more := eval[int](b, `document.querySelectorAll("tap-view li").length - before`); more != 0 {
		t.Errorf("%d more events are drawn while paused", more)
	}
	eval[bool](b, `([...document.querySelectorAll("tap-view button")].find(b => b.textContent === "Pause").click(), true)`)
	b.await(`document.querySelectorAll("tap-view li").length > before`)

	// The tab is hidden, another part is shown, the drawer closes.
	eval[bool](b, `(Object.defineProperty(document, "hidden", { configurable: true, get: () => true }), document.dispatchEvent(new Event("visibilitychange")), true)`)
	watched(0)
	eval[bool](b, `(delete document.hidden, document.dispatchEvent(new Event("visibilitychange")), true)`)
	watched(1)
	eval[bool](b, `(document.querySelector("component-detail [role=tab]").click(), true)`)
	watched(0)
	b.await(`([...document.querySelectorAll("component-detail [role=tab]")].find(t => t.textContent === "Tap")?.click(), document.querySelector("tap-view .state").textContent === "Connected")`)
	watched(1)

	// A reload removes the route and brings it back.
	for _, name := range []string{"other", "all"} {
		if err := os.WriteFile(config, fmt.Appendf(nil, tapPageConfig, name), 0o600); err != nil {
			t.Fatal(err)
		}
		r.reload(testenv.Context(t), "test")
		if name == "other" {
			b.await(`document.querySelector("tap-view .state.error")`)
		}
	}
	filter("")
	b.await(`document.querySelector("tap-view .state").textContent === "Connected"`)
	watched(1)
	b.run(chromedp.KeyEvent("\x1b"))
	b.await(`!document.querySelector("side-drawer dialog[open]")`)
	watched(0)
	b.checkErrors()
}
