package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

// browser is a Chromium with the dashboard of r.
type browser struct {
	t      testing.TB
	ctx    context.Context
	errors chan string // exceptions and dialogs of the page
}

func openDashboard(t testing.TB, r *running) *browser {
	t.Helper()
	return openPage(t, r, r.admin.Link(true))
}

// openPage opens the page with a fragment, such as that of the link.
func openPage(t testing.TB, r *running, fragment string) *browser {
	t.Helper()
	return openURL(t, "http://127.0.0.1:"+r.port+"/"+fragment)
}

// openURL opens the page at a URL.
func openURL(t testing.TB, url string) *browser {
	t.Helper()
	return openAs(t, "", url)
}

// openAs opens the page of a gateway by a name that leads to this machine.
func openAs(t testing.TB, name, url string) *browser {
	t.Helper()
	b := startBrowser(t, name)
	b.run(chromedp.Navigate(url))
	b.await(`document.querySelector("connection-state").dataset.state === "connected"`)
	return b
}

// startBrowser starts a Chromium to which a name leads to this machine.
func startBrowser(t testing.TB, name string) *browser {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("host-resolver-rules", "MAP "+cmp.Or(name, "none.invalid")+" 127.0.0.1"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true)) // of private authorities
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stop := chromedp.NewContext(alloc)
	b := &browser{t, ctx, make(chan string, 100)}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser to end
		stop()
		stopAlloc()
	})
	if err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			b.errors <- fmt.Sprintf("%+v", e.ExceptionDetails)
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.run(chromedp.EmulateViewport(1280, 800))
	return b
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*testenv.Wait)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*testenv.Wait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// await waits until a JavaScript condition holds.
func (b *browser) await(condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*testenv.Wait)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+condition+")", chromedp.WithPollingTimeout(testenv.Wait))); err != nil {
		b.screenshot("failed")
		b.t.Fatalf("%s: %v; the page says:\n%s", condition, err, eval[string](b, "document.body.innerText"))
	}
}

// screenshot writes a screenshot if SCREENSHOTS names a folder.
func (b *browser) screenshot(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// checkErrors fails the test after an exception or a dialog of the page.
func (b *browser) checkErrors() {
	b.t.Helper()
	select {
	case fault := <-b.errors:
		b.t.Errorf("the page failed: %s", fault)
	default:
	}
}

// TestDashboardShowsOrders proves that the page shows orders and their changes, and that its controls work.
func TestDashboardShowsOrders(t *testing.T) {
	db := testenv.OrdersTable(t)
	r := startLeading(t, nil)
	b := openDashboard(t, r)
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO orders (customer_name, product_name, status, amount) VALUES ('Ada', 'Desk', 'new', 5.30), ('Grace', 'Lamp', 'new', 7)`)
	b.await(`document.querySelectorAll('tr[data-operation="INSERT"]').length === 2`)
	exec(`UPDATE orders SET status = 'paid' WHERE customer_name = 'Ada'`)
	b.await(`document.querySelector('tr[data-operation="UPDATE"]')?.innerText.includes("paid")`)
	exec(`DELETE FROM orders WHERE customer_name = 'Grace'`)
	b.await(`document.querySelector('tr[data-operation="DELETE"]')?.innerText.includes("Grace")`)
	b.await(`document.querySelector("event-table").innerText.includes("5.30")`) // with all digits
	b.await(`document.querySelectorAll("tbody tr").length === 2`)
	b.await(`document.querySelector("activity-log").innerText.includes("Order 2 Grace")`)
	b.await(`["INSERT", "UPDATE", "DELETE"].every(o => document.querySelector('activity-log [data-operation="' + o + '"] .badge'))`) // without an action of the user
	colours := eval[[]string](b, `[..."INSERT UPDATE DELETE".split(" ")].map(o => getComputedStyle(document.querySelector(
		'activity-log [data-operation="' + o + '"] .badge')).color)`)
	if len(colours) != 3 || colours[0] == colours[1] || colours[1] == colours[2] || colours[0] == colours[2] {
		t.Errorf("colours of the operations: %v", colours)
	}
	redis := testenv.RedisClient(t)
	for _, other := range []string{`{"hello":"world"}`, "plain text", "\xff\xfe"} {
		if err := redis.Publish(testenv.Context(t), "orders_updates", other).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.await(`["hello", "plain text", "2 bytes"].every(t => document.querySelector("activity-log").innerText.includes(t))`)
	b.await(`(document.querySelector("#reconnect").click(), true)`)
	b.await(`document.querySelector("activity-log").innerText.includes("No event was missed")`)
	b.await(`document.querySelectorAll('component-list li[data-up="true"]').length === 4`)
	b.run(chromedp.Click("#test"))
	b.await(`document.querySelector("key-figures").innerText.includes(" ms")`)
	b.screenshot("orders-light")
	b.emulate("prefers-color-scheme", "dark")
	b.screenshot("orders-dark")
	b.run(chromedp.EmulateViewport(390, 844))
	b.screenshot("orders-phone")
	if eval[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
		t.Error("the page is wider than a phone")
	}

	// Shortcuts: Ctrl+L clears, Ctrl+R reconnects and leaves one connection.
	b.run(chromedp.KeyEvent("l", chromedp.KeyModifiers(2)))
	b.await(`document.querySelectorAll("tbody tr").length === 0 && !document.querySelector("activity-log").innerText.includes("plain text")`)
	for range 5 {
		b.run(chromedp.KeyEvent("r", chromedp.KeyModifiers(2)))
	}
	b.await(`document.querySelector("connection-state").dataset.state === "connected"`)
	testenv.Eventually(t, testenv.Wait, "one client", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="browsers"} 1`) })
	b.checkErrors()
}

// TestDashboardShowsOutages proves that the page shows that a server, and the gateway itself, is down.
func TestDashboardShowsOutages(t *testing.T) {
	testenv.OrdersTable(t)
	r := startLeading(t, nil)
	b := openDashboard(t, r)
	s := testenv.Redis(t)
	if err := s.Stop(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	b.await(`document.querySelector('component-list li[data-up="false"]')?.innerText.includes("orders_bus")`)
	b.screenshot("redis-down")
	if err := s.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	b.await(`document.querySelectorAll('component-list li[data-up="true"]').length === 4`)
	b.await(`document.querySelector("activity-log").innerText.includes("Events may be missing")`)
	b.screenshot("redis-back")
	r.stop()
	b.await(`document.querySelector("connection-state").dataset.state !== "connected"`)
	b.await(`document.querySelector("activity-log").innerText.includes("DOWN")`)
	b.screenshot("gateway-down")
	b.checkErrors()
}

// xssPayloads are texts that a page must not interpret.
var xssPayloads = []string{
	`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `"><svg/onload=alert(1)>`, `javascript:alert(1)`, `</td><script>alert(1)</script>`,
	`<iframe srcdoc="<script>parent.alert(1)</script>">`, `<a href="javascript:alert(1)">x</a>`, `<style>*{display:none}</style>`, `{{constructor.constructor('alert(1)')()}}`,
	"${alert(1)}", `<body onload=alert(1)>`, `<details open ontoggle=alert(1)>`, `<math><mtext></table><mglyph><style><img src=x onerror=alert(1)>`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`, `<template><script>alert(1)</script></template>`, `'-alert(1)-'`, "\u202eevil", `<object data="javascript:alert(1)">`,
	`<link rel=stylesheet href=//evil>`, `<meta http-equiv=refresh content=0>`, `__proto__`,
}

// TestDashboardEscapesText proves that markup in an order, a message or an error is shown as text.
func TestDashboardEscapesText(t *testing.T) {
	db := testenv.OrdersTable(t)
	redis := testenv.RedisClient(t)
	r := startLeading(t, nil)
	b := openDashboard(t, r)
	eval[int](b, `window.fooled = 0; window.alert = () => { window.fooled++ }; window.before = document.querySelectorAll("script, style, img, iframe, svg, object, a, link, meta").length`)
	for _, p := range xssPayloads {
		if _, err := db.Exec(testenv.Context(t), `INSERT INTO orders (customer_name, product_name, status) VALUES ($1, $2, $3)`, p, p, "new"); err != nil {
			t.Fatal(err)
		}
		for _, msg := range []string{p, `{"type":"gap","source":"` + strings.ReplaceAll(p, `"`, `\"`) + `","reason":"<b>x</b>"}`, `{"operation":"` + strings.ReplaceAll(p, `"`, `\"`) + `","order":{"id":"<b>"}}`} {
			if err := redis.Publish(testenv.Context(t), "orders_updates", msg).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.await(fmt.Sprintf(`document.querySelectorAll("tbody tr").length >= %d`, len(xssPayloads)))
	for _, p := range xssPayloads {
		b.await(fmt.Sprintf(`[...document.querySelectorAll("tbody td")].some(td => td.textContent === %q)`, p))
	}
	fooled := eval[int](b, `window.fooled`)
	more := eval[int](b, `document.querySelectorAll("script, style, img, iframe, svg, object, a, link, meta").length - window.before`)
	if fooled != 0 || more != 0 {
		t.Errorf("%d scripts ran, %d elements were made of text", fooled, more)
	}
	b.screenshot("xss")
	b.checkErrors()
}
