package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/testenv"
)

// TestClientRenewsToken proves that the client, which a page of another origin imports from the gateway, requests a token for its first connection, and again before that one expires and
// after a refusal, and that it stays connected with it.
func TestClientRenewsToken(t *testing.T) {
	const secret = "a secret that is long enough for HS256"
	var tokens atomic.Int32
	shop := http.NewServeMux() // has the page, and a service for tokens
	shop.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html><title>shop</title>") })
	shop.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		n := tokens.Add(1)
		if n == 2 {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		expires := time.Now().Add(time.Hour)
		switch n {
		case 1:
			expires = time.Now().Add(-time.Hour) // refused
		case 3:
			expires = time.Now().Add(-2 * time.Second) // accepted for 3 s more, because clocks may differ by 5 s
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ada", "exp": expires.Unix()}).SignedString([]byte(secret))
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, token)
	})
	server := httptest.NewServer(shop)
	defer server.Close()
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [renewed]}}
sinks: {out: {type: websocket, origins: ["${PAGE}"], auth: {jwt: {algorithm: HS256, key: "`+secret+`"}}, authorize: order.customer == claims.sub}}
routes: {r: {from: [bus], to: [out]}}
`), map[string]string{"PAGE": server.URL}, "r")
	b := startBrowser(t, "")
	b.run(chromedp.Navigate(server.URL))
	eval[bool](b, `(window.states = [], window.got = [], window.refused = [], import("http://127.0.0.1:`+r.port+`/client/index.js").then(({ GatewayClient }) => {
		window.client = new GatewayClient("ws://127.0.0.1:`+r.port+`/", {
			getToken: () => fetch("/token").then((answer) => answer.ok ? answer.text() : Promise.reject(new Error(answer.status))),
		});
		client.addEventListener("state", ({ detail }) => states.push(detail.state));
		client.addEventListener("refused", ({ detail }) => refused.push(detail));
		client.subscribe({}, { onMessage: (payload) => got.push(payload) });
	}), true)`)
	b.await(`window.client?.state === "connected"`)
	if n := tokens.Load(); n != 3 {
		t.Errorf("connected with token %d", n)
	}
	if got := eval[string](b, `refused.join()`); !strings.Contains(got, "no token: 503") {
		t.Errorf("the errors are %q", got)
	}
	testenv.Eventually(t, testenv.Wait, "another token", func() bool { return tokens.Load() == 4 })
	eval[bool](b, `(window.connected = performance.now(), states.length = 0, true)`)
	b.await(`performance.now() > connected + 4000`) // the first token has expired
	if err := testenv.RedisClient(t).Publish(testenv.Context(t), "renewed", `{"order":{"customer":"ada"}}`).Err(); err != nil {
		t.Fatal(err)
	}
	b.await(`got.length === 1`)
	if got := eval[string](b, `states.join()`); got != "" {
		t.Errorf("the connection was replaced: %s", got)
	}
	eval[bool](b, `(client.close(), true)`)
}
