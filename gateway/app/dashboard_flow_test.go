package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

const flowConfig = `
http: {listen: ":${PORT}"}
shutdown_timeout: 1s
sources:
  made: {type: generate, rate: 200, key: number}
  paid: {type: generate, rate: 0, count: 1000, key: number}
  bus: {type: redis-sub, url: "${REDIS_URL}", channels: [flow]}
transforms:
  private: {type: remove, fields: [text]}
  stamp: {type: set, fields: {seen: "true"}}
sinks:
  browsers: {type: websocket}
  copy: {type: redis-pub, url: "${REDIS_URL}", channel: copies}
  shop: {type: webhook, url: "http://127.0.0.1:%d/", allow: [127.0.0.1], queue: {size: 1000}, dead_letter: parked}
  parked: {type: file, path: %q}
routes:
  all: {from: [made, bus], through: [private, stamp], to: [browsers, copy], dead_letter: parked}
  shop: {from: [paid], to: [shop]}
%s`

// TestDashboardDrawsFlow proves that the flow has each component and what connects them, also after a reload. It shows rates, queues
// and which component is down. A click opens a component.
func TestDashboardDrawsFlow(t *testing.T) {
	free := testenv.FreePort(t)
	parked := filepath.Join(t.TempDir(), "parked.jsonl")
	config := writeConfig(t, fmt.Sprintf(flowConfig, free, parked, ""))
	r := startGateway(t, config, nil)
	r.reloadable(config, map[string]string{"PORT": r.port, "REDIS_URL": testenv.Redis(t).URL()})
	b := openDashboard(t, r)
	b.run(chromedp.EmulateViewport(1280, 844))
	const node = `document.querySelector('flow-graph .node[data-kind="%s"][data-name="%s"]')`
	b.await(`document.querySelectorAll("flow-graph .node").length === 9`)
	b.await(`document.querySelectorAll("flow-graph .edge path[d]").length === 8 && document.querySelectorAll("flow-graph .edge.dead").length === 2`)
	b.await(fmt.Sprintf(node, "route", "all") + `.textContent.includes("→ private → stamp")`)
	b.await(`[...document.querySelectorAll("flow-graph .edge.flows .rate")].some(text => /^\d+\/s$/.test(text.textContent))`)
	b.await(fmt.Sprintf(node, "sink", "shop") + `.dataset.state !== "up"`)
	b.await(fmt.Sprintf(node, "sink", "shop") + `.querySelector(".queue").dataset.level === "full"`)
	b.await(`/^1 of 9 (down|failing): shop, [\d,]+ queued, since [\d:]+$/.test(document.querySelector("health-state").textContent)`)
	b.await(`document.title.startsWith("✕ 1 of 9 ") && document.querySelector("link[rel=icon]").href.endsWith("/icon-failing.svg")`)
	if outside := eval[int](b, `[...document.querySelectorAll("flow-graph .node, flow-graph .rate")].filter(n => {
		const [box, all] = [n.getBoundingClientRect(), document.querySelector("flow-graph").getBoundingClientRect()];
		return box.width > 0 && (box.left < all.left - 3 || box.right > all.right + 3);
	}).length`); outside != 0 {
		t.Errorf("%d nodes or rates are drawn outside of the flow", outside)
	}
	if rows := eval[[]float64](b, `["all", "shop"].map(name => document.querySelector('flow-graph .node[data-kind="route"][data-name="' + name + '"]').getBoundingClientRect().top)`); rows[1] > rows[0] {
		t.Errorf("the route to the sink that is down is not the first: %v", rows)
	}
	b.screenshots("flow")
	b.run(chromedp.EmulateViewport(1280, 844))
	b.await(`document.querySelector("flow-graph svg")?.clientWidth > 1000`)
	eval[bool](b, `(`+fmt.Sprintf(node, "sink", "shop")+`.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true})), true)`)
	b.await(`document.querySelector("side-drawer dialog[open] h2")?.textContent === "sink shop" && location.hash === "#component/sink/shop"`)
	eval[bool](b, `(document.querySelector("side-drawer").close(), true)`)

	if err := os.WriteFile(config, fmt.Appendf(nil, flowConfig, free, parked, "  more: {from: [bus], to: [parked]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload(testenv.Context(t), "test")
	b.await(`document.querySelectorAll("flow-graph .node").length === 10 && document.querySelectorAll("flow-graph .edge").length === 10`)
	b.checkErrors()
}
