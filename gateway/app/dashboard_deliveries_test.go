package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gorilla/websocket"
)

// evilText is markup, as a receiver or a client may send it.
const evilText = `<img src=x onerror="document.title='fooled'">`

// TestDashboardShowsDeliveries proves that the page shows the attempts of a webhook, one with its headers and bodies as text, and sends its
// event again.
func TestDashboardShowsDeliveries(t *testing.T) {
	var requests atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Evil", evilText)
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		fmt.Fprint(w, evilText)
	}))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 0, count: 1, key: "'row'", template: '{"n": 1, "text": "<b>bold</b>"}'}}
sinks: {shop: {type: webhook, url: "%s/secret-path", allow: [127.0.0.1], secrets: [%s], best_effort: true}, browsers: {type: websocket}}
routes: {all: {from: [made], to: [shop, browsers]}}
`, receiver.URL, webhookKey)), nil)
	b := openDashboard(t, r)
	b.await(`!document.getElementById("tab-webhooks").hidden`)
	b.await(`(location.hash = "webhooks", document.querySelectorAll("delivery-view tbody tr").length === 1)`)
	b.await(`document.querySelector("delivery-view tbody tr").innerText.includes("422") && document.querySelector("delivery-view tbody tr").innerText.includes("given up")`)
	b.screenshots("deliveries")
	b.run(chromedp.Click("delivery-view tbody a"))
	b.await(`document.querySelector("side-drawer dialog[open] attempt-detail")?.innerText.includes("webhook-signature") || document.querySelector("attempt-detail")?.innerText.includes("Webhook-Signature")`)
	b.await(`(text => text.includes(` + "`" + evilText + "`" + `) && text.includes('"text": "<b>bold</b>"') && text.includes("/***") && !text.includes("secret-path"))(document.querySelector("attempt-detail").innerText)`)
	b.await(`[...document.querySelectorAll("attempt-detail tr")].some(tr => tr.innerText.includes("Webhook-Signature") && tr.innerText.includes("***"))`)
	b.screenshots("attempt")
	b.run(chromedp.Click("attempt-detail button.primary"))
	b.await(`document.querySelector("attempt-detail .result").innerText.includes("delivered")`)
	b.await(`document.querySelectorAll("delivery-view tbody tr").length === 2`)
	b.run(chromedp.Click("attempt-detail .result a"))
	b.await(`document.querySelector("side-drawer dialog[open] attempt-detail dl")?.innerText.includes("200")`)
	if requests.Load() != 2 {
		t.Errorf("%d requests", requests.Load())
	}
	b.run(chromedp.KeyEvent(kb.Escape))
	b.await(`!document.querySelector("side-drawer dialog[open]") && location.hash === "#webhooks"`)
	b.await(`((select) => { select.value = "failed"; select.dispatchEvent(new Event("change")); return document.querySelectorAll("delivery-view tbody tr").length === 1; })(document.querySelectorAll("delivery-view select")[1])`)
	if n := eval[int](b, `document.querySelectorAll("delivery-view img, attempt-detail img, attempt-detail b").length`); n != 0 {
		t.Error("text became markup")
	}
	b.checkErrors()
}

// TestDashboardShowsClients proves that the page shows the clients with what they have sent, as text, finds one, and disconnects it. The page itself
// says why it was disconnected, and stays so until the user connects again.
func TestDashboardShowsClients(t *testing.T) {
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 1}}
sinks: {browsers: {type: websocket}}
routes: {all: {from: [made], to: [browsers]}}
`), map[string]string{"DATABASE_URL": "not used", "REDIS_URL": "not used"})
	b := openDashboard(t, r)
	b.await(pageIsWell)
	header := http.Header{"User-Agent": {"Evil/1.0 " + evilText}}
	evil, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:"+r.port+"/?channel="+"%3Cb%3Ex", header)
	if err != nil {
		t.Fatal(err)
	}
	defer evil.Close()
	b.await(`!document.getElementById("tab-clients").hidden && (location.hash = "clients", document.querySelectorAll("client-view tbody tr").length === 2)`)
	b.await("[...document.querySelectorAll(\"client-view tbody tr\")].some(tr => tr.innerText.includes(`" + evilText + "`) && tr.innerText.includes(\"<b>x\"))")
	b.screenshots("clients")
	search := func(text string, found int) {
		t.Helper()
		b.await(fmt.Sprintf(`((input) => { if (input.value !== %q) { input.value = %[1]q; input.dispatchEvent(new Event("input")); } return document.querySelectorAll("client-view tbody tr").length === %d; })(document.querySelector("client-view input"))`, text, found))
	}
	search("evil/1", 1)
	b.run(chromedp.Click("client-view tbody a"))
	b.await("document.querySelector(\"side-drawer dialog[open] client-detail\")?.innerText.includes(`" + evilText + "`)")
	b.screenshots("client")
	b.run(chromedp.Click("client-detail button"))
	b.await(`document.querySelector("client-detail .result").innerText === "The client is disconnected."`)
	for {
		if _, _, err := evil.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, 4000) {
				t.Errorf("ended with %v", err)
			}
			break
		}
	}
	b.run(chromedp.KeyEvent(kb.Escape))
	search("evil/1", 0)
	search("", 1)

	b.run(chromedp.Click("client-view tbody a"))
	b.await(`document.querySelector("side-drawer dialog[open] client-detail")`)
	b.run(chromedp.SendKeys(`client-detail input[type="text"]`, "maintenance"), chromedp.Click("client-detail button"))
	b.await(`document.querySelector("connection-state").textContent.includes("Disconnected by the gateway (maintenance)")`)
	b.run(chromedp.KeyEvent(kb.Escape))
	b.await(`document.querySelectorAll("client-view tbody tr").length === 0 && document.querySelector("connection-state").textContent.includes("maintenance")`)
	b.run(chromedp.Click("#reconnect"))
	b.await(`document.querySelectorAll("client-view tbody tr").length === 1 && document.querySelector("connection-state").dataset.state === "connected"`)
	if n := eval[int](b, `document.querySelectorAll("client-view img, client-view b, client-detail img").length`); n != 0 {
		t.Error("text became markup")
	}
	b.checkErrors()
}
