package app

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestDashboardDrawsCharts proves that the charts show the history of the gateway and of each component, also after F5, with gaps where
// there are no figures; that the page's policy allows all that they need; and that they ask for nothing while nobody looks.
func TestDashboardDrawsCharts(t *testing.T) {
	r := startGateway(t, writeConfig(t, `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 40}}
sinks: {browsers: {type: websocket}}
routes: {all: {from: [made], to: [browsers]}}
`), nil)
	b := startBrowser(t, "")
	b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/" + r.admin.Link(true)))
	b.await(pageIsWell)
	eval[bool](b, `(window.refused = [], document.addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective + " " + e.blockedURI)), location.hash = "charts", true)`)
	const chart = `[...document.querySelectorAll("charts-view line-chart")].find(c => c.querySelector("h3").textContent.startsWith("%s"))`
	events := fmt.Sprintf(chart, "Events")
	drawn := events + `?.querySelector("canvas") && ((canvas) => { const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data; return d.some((v, i) => i % 4 === 3 && v > 0) })(` + events + `.querySelector("canvas"))`
	b.await(drawn)
	b.await(`Number(` + events + `.querySelector(".s0 b").textContent) > 0 && Number(` + events + `.querySelector(".s1 b").textContent) > 0`)
	b.await(`document.querySelectorAll("charts-view line-chart").length === 5`) // with clients: this page
	b.await(`[...document.querySelectorAll(".latest tbody th")].map(th => th.textContent).sort().join() === "route all,sink browsers,source made,the whole gateway"`)
	b.await(`[...document.querySelectorAll(".latest tbody tr")].every(tr => [...tr.children].slice(1, 3).some(td => Number(td.textContent) > 0))`)
	b.screenshots("charts")
	b.run(chromedp.EmulateViewport(900, 844))
	b.await(`[...document.querySelectorAll("line-chart .uplot")].every(p => Math.abs(p.clientWidth - p.parentElement.clientWidth) < 2)`)

	eval[bool](b, `((select) => { select.value = "source made"; select.dispatchEvent(new Event("change")); return true })(document.querySelector("charts-view select"))`)
	b.await(`document.querySelectorAll("charts-view line-chart").length === 3 && document.querySelector(".legend").textContent.startsWith("out ")`)

	// The tab is hidden; then another view is open.
	eval[bool](b, `(window.asked = 0, window.statuses = 0, window.before = fetch, window.fetch = (path, ...more) => {
		if (String(path).includes("api/history")) asked++;
		if (String(path).includes("api/status")) statuses++;
		return before(path, ...more);
	}, true)`)
	b.await(`asked > 1`)
	for what, looksAway := range map[string]string{
		"hidden":       `(Object.defineProperty(document, "hidden", { configurable: true, get: () => true }), document.dispatchEvent(new Event("visibilitychange")))`,
		"another view": `(location.hash = "events")`,
	} {
		eval[bool](b, `(`+looksAway+`, true)`)
		b.await(`(statuses = 0, true)`)
		b.await(`statuses > 1`) // a request under way has ended
		eval[bool](b, `(asked = 0, statuses = 0, true)`)
		b.await(`statuses > 3`)
		if n := eval[int](b, `asked`); n != 0 {
			t.Errorf("%s: %d requests for the history", what, n)
		}
		eval[bool](b, `(delete document.hidden, document.dispatchEvent(new Event("visibilitychange")), location.hash = "charts", true)`)
		b.await(`asked > 0`)
	}

	// The gateway was frozen for three seconds, and then restarted twenty seconds later.
	page := func(start string, count int, whole bool, next, figures string) string {
		return fmt.Sprintf(`{ start: %s, count: %d, whole: %t, next: %q, total: { in: [%s] }, components: { "source made": { out: [%[5]s] } } }`, start, count, whole, next, figures)
	}
	eval[bool](b, `(window.pages = [], window.fetch = async (path, ...more) => {
		if (!String(path).includes("api/history")) return before(path, ...more);
		return new Response(JSON.stringify(pages.shift() ?? { count: 0, next: "", total: {}, components: {} }));
	}, true)`)
	eval[bool](b, `(pages.push(`+page("1e12", 5, true, "A-5", "1, null, null, null, 5")+`, `+page("1e12 + 5000", 1, false, "A-6", "6")+`, `+page("1e12 + 26000", 2, true, "B-1", "7, 8")+`), true)`)
	b.await(`import("./js/charts/history-feed.js").then(({ history }) => { window.kept = history }) && window.kept?.total.in?.at(-1) === 8`)
	if got, want := eval[string](b, `JSON.stringify([kept.count, kept.end, kept.total.in, kept.components["source made"].out.length, Object.keys(kept.components).length])`),
		"[28,1000000027000,[1,null,null,null,5,6"+strings.Repeat(",null", 20)+",7,8],28,1]"; got != want {
		t.Errorf("the history is %s, want %s", got, want)
	}

	b.run(chromedp.Reload()) // F5
	b.await(drawn + ` && Number(` + events + `.querySelector(".s0 b").textContent) > 0`)
	b.await(`import("./js/charts/history-feed.js").then(({ history }) => { window.kept = history }) && window.kept?.count > 5`)
	if refused := eval[[]string](b, `window.refused ?? []`); len(refused) > 0 {
		t.Errorf("the policy refuses %v", refused)
	}
	b.checkErrors()
}

// TestUPlotIsThatOfNPM proves that the embedded file is uPlot as its author has published it, with its license.
func TestUPlotIsThatOfNPM(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatalf("%v: run .ci/prepare", err)
		}
		return string(text)
	}
	const published = "../../.ci/node_modules/uplot/"
	embedded := read("../../web/js/charts/uplot.js")
	_, code, _ := strings.Cut(read(published+"dist/uPlot.iife.min.js"), "\n") // behind the line with its address
	if !strings.Contains(embedded, strings.TrimSpace(code)) {
		t.Error("the code differs")
	}
	for line := range strings.Lines(read(published + "LICENSE")) {
		if !strings.Contains(embedded, strings.TrimSpace(line)) {
			t.Errorf("the license has no line %q", line)
		}
	}
}
