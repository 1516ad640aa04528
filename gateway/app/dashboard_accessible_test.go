package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"eventgateway/gateway/testenv"
)

const axeFile = "../../.ci/node_modules/axe-core/axe.min.js"

// accessible checks by axe what the page shows now: WCAG A and AA, and best practices. name says what that is.
func (b *browser) accessible(name string) {
	b.t.Helper()
	b.await(`!document.querySelector("side-drawer dialog")?.getAnimations().length`) // it fades in
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		b.t.Fatalf("%v: run .ci/prepare", err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, 2*testenv.Wait)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](string(axe)+"; window.axe !== undefined")); err != nil {
		b.t.Fatal(err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	var violations []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		for _, n := range v.Nodes {
			b.t.Errorf("%s: %s: %s: %.300s\n%s", name, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// emulate sets a media feature, as prefers-color-scheme, of the browser.
func (b *browser) emulate(feature, value string) {
	b.t.Helper()
	b.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: feature, Value: value}}})
		return chromedp.Void{}, err
	})
}

// TestDashboardIsAccessible proves that each view of the page has no violation that axe finds, in both color schemes and on a phone, and that
// its tabs can be used by the keyboard.
func TestDashboardIsAccessible(t *testing.T) {
	db := testenv.OrdersTable(t)
	r := startLeading(t, nil)
	b := openDashboard(t, r)
	for _, sql := range []string{`INSERT INTO orders (customer_name, status) SELECT 'Ada', 'new' FROM generate_series(1, 3)`, `UPDATE orders SET status = 'paid' WHERE id = 2`, `DELETE FROM orders WHERE id = 3`} {
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`["INSERT", "UPDATE", "DELETE"].every(o => document.querySelector('tr[data-operation="' + o + '"]'))`)
	tabs := eval[[]string](b, `[...document.querySelectorAll("[role=tab]:not([hidden])")].map(tab => tab.id)`)
	if len(tabs) < 2 {
		t.Fatalf("tabs: %v", tabs)
	}
	for _, scheme := range []string{"light", "dark"} {
		b.emulate("prefers-color-scheme", scheme)
		for _, width := range []int64{1280, 390} {
			b.run(chromedp.EmulateViewport(width, 844))
			for _, tab := range tabs {
				b.await(fmt.Sprintf(`(document.getElementById(%q).click(), document.querySelector("[role=tabpanel]:not([hidden])").getAttribute("aria-labelledby") === %[1]q)`, tab))
				name := fmt.Sprintf("%s-%s-%d", tab, scheme, width)
				if (scheme == "light") == (width == 1280) {
					b.accessible(name)
				}
				b.screenshot(name)
				if eval[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
					t.Errorf("%s: the page is wider than the screen", name)
				}
			}
		}
	}
	b.emulate("forced-colors", "active")
	b.screenshot("forced-colors")

	b.await(`(document.querySelector("[role=tab]").click(), document.querySelector("[role=tab]").focus(), document.activeElement.id === "tab-events")`)
	b.run(chromedp.KeyEvent(kb.ArrowRight))
	b.await(fmt.Sprintf(`document.activeElement.id === %q && !document.getElementById(document.activeElement.getAttribute("aria-controls")).hidden`, tabs[1]))
	b.run(chromedp.KeyEvent(kb.ArrowLeft))
	b.await(`document.activeElement.id === "tab-events" && location.hash === "#events"`)
	b.checkErrors()
}
