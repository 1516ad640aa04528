package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestCrossOriginEvents proves that a page of a listed origin gets server-sent events with a token, and can
// read the error without one. A page of another origin can read nothing.
func TestCrossOriginEvents(t *testing.T) {
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html><title>shop</title>") }))
	defer pages.Close()
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [cross]}}
sinks: {out: {type: websocket, origins: ["${PAGE}"], auth: {tokens: {shop: a-token-that-is-long}}}}
routes: {r: {from: [bus], to: [out]}}
`), map[string]string{"PAGE": pages.URL})
	b := startBrowser(t, "other.example")
	ask := func() {
		eval[bool](b, fmt.Sprintf(`(window.said = {}, ["", "wrong", "a-token-that-is-long"].forEach((token) =>
			fetch("http://127.0.0.1:%s/", { headers: token ? { Accept: "text/event-stream", Authorization: "Bearer " + token } : { Accept: "text/event-stream" } })
				.then(async (answer) => {
					said[token] = String(answer.status);
					said.body = await new Response(answer.body).body.getReader().read().then(({ value }) => new TextDecoder().decode(value));
				}, () => { said[token] = "blocked" })), true)`, r.port))
		b.await(`Object.keys(said).filter((key) => key !== "body").length === 3`)
	}
	said := func() string {
		return eval[string](b, `JSON.stringify([said[""], said.wrong, said["a-token-that-is-long"]])`)
	}
	b.run(chromedp.Navigate(pages.URL))
	ask()
	if got := said(); got != `["401","401","200"]` {
		t.Errorf("a page that is listed: %s", got)
	}
	b.run(chromedp.Navigate("http://other.example:" + pages.URL[len("http://127.0.0.1:"):]))
	ask()
	if got := said(); got != `["blocked","blocked","blocked"]` {
		t.Errorf("another page: %s", got)
	}
}
