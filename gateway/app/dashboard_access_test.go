package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/testenv"
)

// cookies returns the cookies that the browser has for the page.
func (b *browser) cookies() []*network.Cookie {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) ([]*network.Cookie, error) {
		result, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{eval[string](b, `new URL("api/", location.href).href`)}})
		if err != nil {
			return nil, err
		}
		return result.Cookies, nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// give types a secret into the form of an element, and sends the form.
func (b *browser) give(form, secret string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(document.querySelector('%[1]s input[name="secret"]').value = %[2]q, document.querySelector('%[1]s form').requestSubmit(), true)`, form, secret))
}

// publish publishes a message.
func publish(t *testing.T, channel, message string) {
	t.Helper()
	if err := testenv.RedisClient(t).Publish(testenv.Context(t), channel, message).Err(); err != nil {
		t.Fatal(err)
	}
}

const (
	isSampled    = `document.querySelector("feed-note select")?.checkVisibility() && document.querySelector("connection-state").textContent === "Connected, sampled"`
	isNotSampled = `document.querySelector("feed-note").hidden && document.querySelector("connection-state").textContent === "Connected"`
	// foreignRequests is the list of requests of the page to other origins.
	foreignRequests = `performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => new URL(name).host !== location.host)`
)

// TestDashboardOnAdminListener proves that the page on the admin listener shows the state, and events by the tap, without a request to
// another origin.
func TestDashboardOnAdminListener(t *testing.T) {
	port := strconv.Itoa(testenv.FreePort(t))
	startGateway(t, writeConfig(t, adminConfig), map[string]string{"ADMIN": "127.0.0.1:" + port})
	b := openURL(t, "http://127.0.0.1:"+port+"/")
	b.await(`document.querySelector("health-state").dataset.state === "well" && ` + isSampled)
	b.await(`document.querySelector("feed-note").textContent.includes("the sink out listens at http.listen")`)
	publish(t, "c", "to the admin listener")
	b.await(`document.querySelector("activity-log").innerText.includes("to the admin listener")`)
	publish(t, "c", "\xff\xfe\xfd")
	b.await(`document.querySelector("activity-log").innerText.includes("3 bytes")`)
	b.run(chromedp.Click("#test"))
	b.await(`document.querySelector("activity-log").innerText.includes("The connection works")`)
	if foreign := eval[[]string](b, foreignRequests); len(foreign) > 0 {
		t.Errorf("requests to other origins: %v", foreign)
	}
	filter := func(text string) {
		t.Helper()
		eval[bool](b, fmt.Sprintf(`(document.querySelector("#filter").value = %q, document.querySelector("form.filter").requestSubmit(), true)`, text))
	}
	filter("n >")
	b.await(`document.querySelector("#filter").getAttribute("aria-invalid") === "true" && document.querySelector("#filter-state").innerText.includes("unexpected token EOF")`)
	filter("n > 1")
	b.await(`document.querySelector("#filter-state").innerText.includes("The gateway sends the events that meet the filter") && ` + isSampled)
	publish(t, "c", `{"n":1}`)
	publish(t, "c", `{"n":2}`)
	b.await(rows + `.length === 1 && ` + rows + `[0].includes("2")`)
	b.screenshots("admin-listener")
	b.checkErrors()
}

const tokenConfig = `
http: {listen: ":${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [tokens]}}
sinks:
  browsers: {type: websocket, path: /live, auth: {tokens: {shop: "a-token-of-the-shop"}, jwt: {algorithm: HS256, key: "a key of at least 32 bytes for HS256"}}}
routes: {all: {from: [bus], to: [browsers]}}
`

// TestDashboardAsksForTokens proves that the page asks for the secret of the state, and for the token of a client, says why one is refused,
// keeps the token for the tab, and sends neither to another gateway.
func TestDashboardAsksForTokens(t *testing.T) {
	t.Parallel()
	r := startGateway(t, writeConfig(t, tokenConfig), nil)
	b := startBrowser(t, "")
	b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/"))
	b.await(`document.querySelector("#locked form").checkVisibility()`)
	b.screenshots("asks-for-secret")
	b.give("#locked", "wrong")
	b.await(`document.querySelector("#locked").innerText.includes("This secret is wrong")`)
	b.give("#locked", r.secret())
	b.await(`!document.querySelector("#locked").checkVisibility() && ` + isSampled) // the tap, while there is no token
	publish(t, "tokens", "by the tap")
	b.await(`document.querySelector("activity-log").innerText.includes("by the tap")`)
	b.screenshots("asks-for-token")

	b.give("feed-note", "a token with spaces")
	b.await(`document.querySelector("feed-note").innerText.includes("A browser can send only letters")`)
	b.give("feed-note", "wrong")
	b.await(`document.querySelector("feed-note").innerText.includes("answers: the token is refused") && ` + isSampled)
	expired := signedToken(t, time.Now().Add(-time.Hour))
	b.give("feed-note", expired)
	b.await(`document.querySelector("feed-note").innerText.includes("expired") && ` + isSampled)
	for _, token := range []string{"a-token-of-the-shop", signedToken(t, time.Now().Add(time.Hour))} {
		b.give("feed-note", token)
		b.await(isNotSampled)
		publish(t, "tokens", "with "+token[:6])
		b.await(fmt.Sprintf(`document.querySelector("activity-log").innerText.includes("with %s")`, token[:6]))
		b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/")) // the tab keeps the token
		b.await(isNotSampled)
		if token == "a-token-of-the-shop" {
			eval[bool](b, `(sessionStorage.clear(), true)`)
			b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/"))
			b.await(isSampled)
		}
	}
	if kept := eval[string](b, `JSON.stringify(localStorage) + document.cookie + location.href + Object.keys(sessionStorage).filter((key) => key.startsWith("token"))`); kept != "{}http://127.0.0.1:"+r.port+"/token of /live" {
		t.Errorf("the page keeps: %s", kept)
	}

	headers := make(chan http.Header, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		headers <- q.Header
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer other.Close()
	b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/?ws=ws://" + other.Listener.Addr().String() + "/live"))
	if h := <-headers; h.Get("Authorization") != "" || h.Get("Cookie") != "" || h.Get("Sec-Websocket-Protocol") != "eventgateway.v2" {
		t.Errorf("another gateway gets %v", h)
	}
	b.await(`document.querySelector("activity-log").innerText.includes("Disconnected")`)
	if eval[bool](b, `document.querySelector("feed-note form")?.checkVisibility() ?? false`) {
		t.Error("the page asks for a token for another gateway")
	}
	b.checkErrors()
}

// signedToken returns a JWT for the sink of tokenConfig.
func signedToken(t *testing.T, expires time.Time) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "Ada", "exp": expires.Unix()}).SignedString([]byte("a key of at least 32 bytes for HS256"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
