package app

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

const evilMarkup = `<img src=x onerror="document.title='fooled'">`

// TestDashboardOpensComponents proves that the page opens each component, from the picture, the list and a link: its state, charts, books,
// errors and options without secrets; and that the key figures open what they consist of. All of it is text.
func TestDashboardOpensComponents(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) == `{"number":7}` {
			http.Error(w, evilMarkup, http.StatusBadRequest)
		}
	}))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: ":${PORT}"}
sources:
  made: {type: generate, rate: 0, count: 20, key: number}
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [components]}
transforms:
  large: {type: filter, when: 'order.amount > 100 && order.name != "<img src=x>"', on_error: drop}
sinks:
  browsers: {type: websocket}
  shop: {type: webhook, url: %q, allow: [127.0.0.1], secrets: [whsec_dGhlIHNlY3JldCBvZiB0aGlzIHRlc3QsIGxvbmcgZW5vdWdo], dead_letter: parked}
  parked: {type: file, path: %q}
routes:
  all: {from: [made], to: [shop]}
  large: {from: [bus], through: [large], to: [browsers]}
`, receiver.URL, filepath.Join(t.TempDir(), "parked.jsonl"))), nil)
	b := openDashboard(t, r)
	b.await(`document.querySelector('flow-graph .node[data-name="shop"]')`)
	if err := testenv.RedisClient(t).Publish(testenv.Context(t), "components", "no JSON").Err(); err != nil {
		t.Fatal(err)
	}
	const open, text = `document.querySelector("side-drawer dialog[open] h2")?.textContent === %q`, `document.querySelector("side-drawer").innerText.includes(%q)`
	shows := func(texts ...string) {
		t.Helper()
		for _, want := range texts {
			b.await(fmt.Sprintf(text, want))
		}
	}
	tab := func(title string) {
		t.Helper()
		b.await(fmt.Sprintf(`[...document.querySelectorAll("component-detail [role=tab]")].find(t => t.textContent === %q)?.click() === undefined && document.querySelector("component-detail [role=tab][aria-selected=true]").textContent === %[1]q`, title))
	}

	eval[bool](b, `(document.querySelector('flow-graph .node[data-name="shop"]').dispatchEvent(new MouseEvent("click", { bubbles: true })), true)`)
	b.await(fmt.Sprintf(open, "sink shop") + ` && location.hash === "#component/sink/shop"`)
	shows("20 came in = 19 delivered + 1 parked as dead letters", "answered 400", "<img src=x onerror", "1 dead letter in parked")
	b.await(`document.querySelectorAll("component-detail line-chart canvas").length >= 4`)
	b.await(`(document.querySelector("component-detail details").open = true) && document.querySelector("component-detail dl").innerText.includes("dead_lettered")`)
	b.screenshots("component")
	tab("Options")
	shows("url", receiver.URL, "secrets", "***")
	b.screenshots("component-options")
	if leaked := eval[bool](b, `document.documentElement.textContent.includes("dGhlIHNlY3JldCBvZiB0aGlz")`); leaked {
		t.Error("the page has the secret")
	}

	tab("State")
	b.await(`([...document.querySelectorAll("component-detail .links a")].find(a => a.textContent.includes("parked")).click(), true)`)
	b.await(fmt.Sprintf(open, "sink parked"))
	eval[bool](b, `(history.back(), true)`)
	b.await(fmt.Sprintf(open, "sink shop"))
	b.run(chromedp.KeyEvent("\x1b"))
	b.await(`!document.querySelector("side-drawer dialog[open]")`)

	eval[bool](b, `(document.querySelector('component-list li[data-name="large"] a.name').click(), true)`)
	b.await(fmt.Sprintf(open, "route large"))
	shows("1 came in = 1 dropped", "source bus", "transform large", "sink browsers")
	eval[bool](b, `([...document.querySelectorAll("component-detail .links a")].find(a => a.textContent === "transform large").click(), true)`)
	b.await(fmt.Sprintf(open, "transform large"))
	shows("filter · in route large")
	tab("Options")
	shows(`order.amount > 100 && order.name != "<img src=x>"`)
	eval[bool](b, `(location.hash = "component/sink/nothing", true)`)
	b.await(fmt.Sprintf(open, "sink nothing"))
	shows("No sink nothing runs")
	b.run(chromedp.KeyEvent("\x1b"))
	b.await(`!document.querySelector("side-drawer dialog[open]")`)

	// The key figures.
	figure := func(name, title string) {
		t.Helper()
		b.await(fmt.Sprintf(`[...document.querySelectorAll("key-figures div")].find(d => d.querySelector("dt").textContent === %q)?.querySelector("a").click() === undefined`, name))
		b.await(fmt.Sprintf(open, title))
	}
	figure("Dropped", "Dropped events")
	shows("route large 1 (a transform failed: 1)")
	figure("Dead letters", "Dead letters")
	shows("sink shop 1", "answered 400", "last at ")
	b.screenshots("figure")
	figure("Accounted for", "Every event is accounted for")
	shows("20 emitted = 20 acked", "20 came in = 19 delivered + 1 parked as dead letters")
	b.screenshots("books")
	figure("Gaps", "Gaps")
	shows("No gaps.")
	if title, images := eval[string](b, "document.title"), eval[int](b, `document.querySelectorAll("side-drawer img").length`); title == "fooled" || images != 0 {
		t.Errorf("fooled: %s, %d images", title, images)
	}
	b.run(chromedp.Navigate("http://127.0.0.1:"+r.port+"/#component/source/made"), chromedp.Reload()) // a link
	b.await(fmt.Sprintf(open, "source made"))
	r.admin.RecordReload(errors.New("to describe it again"), nil)
	shows("20 emitted = 20 acked")
	b.checkErrors()
}
