package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/testenv"
)

// openTab opens the client in another tab of a browser.
func openTab(b *browser, url string) *clientPage {
	b.t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	b.t.Cleanup(stop)
	tab := &clientPage{&browser{b.t, ctx, b.errors}}
	if err := chromedp.Do(ctx); err != nil { // without a timeout, which would end the tab
		b.t.Fatal(err)
	}
	tab.browser.run(chromedp.Navigate(url))
	tab.run(b.t, loadClient)
	return tab
}

// shareConfig is a gateway whose events are those of the Redis channel shared.
const shareConfig = `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [shared]}}
sinks: {out: {type: websocket, origins: ["*"]}}
routes: {r: {from: [bus], to: [out]}}
`

// sharingTabs are three tabs that share a connection.
type sharingTabs struct {
	t     testing.TB
	r     *running
	tabs  []*clientPage
	pages *shop
	sent  int
}

func openSharingTabs(t *testing.T) *sharingTabs {
	t.Helper()
	s := &sharingTabs{t: t, r: startGateway(t, writeConfig(t, shareConfig), nil)}
	b := startBrowser(t, "")
	s.pages = servePages(t)
	for range 3 {
		tab := openTab(b, s.pages.url)
		tab.run(t, fmt.Sprintf(`(window.got = [], window.told = [], window.client = new GatewayClient("ws://127.0.0.1:%s/", { share: true, heartbeat: 300 }),
			client.subscribe({}, { onMessage: (payload) => got.push(Number(payload)), onGap: (gap) => told.push(gap.reason), onRefused: (why) => told.push(why) }), 0)`, s.r.port))
		tab.await(`client.state === "connected"`)
		s.tabs = append(s.tabs, tab) // the first one leads
	}
	s.awaitClients(1)
	return s
}

func (s *sharingTabs) awaitClients(n int) {
	s.t.Helper()
	testenv.Eventually(s.t, testenv.Wait, fmt.Sprint(n, " clients"), func() bool {
		return strings.Contains(s.r.metrics(), fmt.Sprintf(`gateway_websocket_clients{sink="out"} %d`, n))
	})
}

// publish publishes the next numbers.
func (s *sharingTabs) publish(n int) {
	s.t.Helper()
	for range n {
		s.sent++
		if err := testenv.RedisClient(s.t).Publish(testenv.Context(s.t), "shared", s.sent).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// check waits until each tab has all numbers, once.
func (s *sharingTabs) check(tabs ...*clientPage) {
	s.t.Helper()
	var want []int
	for n := range s.sent {
		want = append(want, n+1)
	}
	for i, tab := range tabs {
		testenv.Eventually(s.t, testenv.Wait, fmt.Sprintf("event %d in tab %d of %d", s.sent, i+1, len(tabs)),
			func() bool { return tab.run(s.t, `got.at(-1)`) == fmt.Sprint(s.sent) },
			func() string { return tab.run(s.t, `[client.state, got, told]`) })
		if got := eval[[]int](tab.browser, `got`); !slices.Equal(got, want) {
			s.t.Errorf("tab %d of %d has %v, want 1 to %d", i+1, len(tabs), got, s.sent)
		}
		if told := eval[string](tab.browser, `told.join()`); told != "" {
			s.t.Errorf("tab %d of %d was told %s", i+1, len(tabs), told)
		}
	}
}

// TestTabsShareConnection proves that the tabs of a page share one connection; and that another takes over when the
// leading tab is closed, crashes or freezes, without a gap, and without an event twice.
func TestTabsShareConnection(t *testing.T) {
	lifecycle := func(state page.SetWebLifecycleStateState) func(*testing.T, *sharingTabs) {
		return func(t *testing.T, s *sharingTabs) {
			s.tabs[0].browser.run(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
				_, err := cdp.Call(ctx, tab, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
				return err
			}))
		}
	}
	for name, c := range map[string]struct {
		end, resume func(*testing.T, *sharingTabs)
	}{
		"closed": {end: func(t *testing.T, s *sharingTabs) {
			if err := chromedp.Cancel(s.tabs[0].ctx); err != nil {
				t.Fatal(err)
			}
		}},
		"crashed": {end: func(t *testing.T, s *sharingTabs) {
			ctx, cancel := context.WithTimeout(s.tabs[0].ctx, time.Second) // a page that crashes does not answer
			defer cancel()
			_ = chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
				_, err := cdp.Call(ctx, tab, page.Crash, cdp.Empty{})
				return err
			}))
		}},
		"frozen": {end: lifecycle(page.SetWebLifecycleStateStateFrozen), resume: lifecycle(page.SetWebLifecycleStateStateActive)},
		"stuck": {
			end: func(t *testing.T, s *sharingTabs) {
				s.tabs[0].run(t, `(setTimeout(() => { const request = new XMLHttpRequest(); request.open("GET", "/block", false); request.send(); }), 0)`)
				<-s.pages.blocked
			},
			resume: func(_ *testing.T, s *sharingTabs) { s.pages.release() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSharingTabs(t)
			s.publish(5)
			s.check(s.tabs...)
			others := s.tabs[1:]
			c.end(t, s)
			s.publish(5) // while none leads
			s.check(others...)
			s.publish(5)
			s.check(others...)
			if c.resume != nil {
				c.resume(t, s)
				s.check(s.tabs...) // it follows now
				s.publish(5)
				s.check(s.tabs...)
			}
			s.awaitClients(1)
		})
	}
}

// TestSharingNeverMixesRights proves that tabs share by the claims of their tokens, other than those of validity, and by URLs.
func TestSharingNeverMixesRights(t *testing.T) {
	n := startNode(t)
	n.run(t, `import("../src/group-name.js").then(({ groupName }) => {
		const token = (claims) => ["e30", Buffer.from(JSON.stringify(claims)).toString("base64url"), "s"].join(".");
		globalThis.name = (url, heartbeat, claims) => groupName([new URL(url)], heartbeat, typeof claims === "string" ? claims : token(claims));
	})`)
	const base = `name("ws://a", 1, { sub: "ada", exp: 1 })`
	for expression, same := range map[string]bool{
		`name("ws://a", 1, { sub: "ada", exp: 2, iat: 3, nbf: 4, jti: "x" })`: true,
		`name("ws://a", 1, { sub: "eve", exp: 1 })`:                           false,
		`name("ws://a", 1, { sub: "ada", exp: 1, role: "admin" })`:            false,
		`name("ws://b", 1, { sub: "ada", exp: 1 })`:                           false,
		`name("ws://a?x", 1, { sub: "ada", exp: 1 })`:                         false,
		`name("ws://a", 2, { sub: "ada", exp: 1 })`:                           false,
		`name("ws://a", 1, "no.jwt.text")`:                                    false,
		`name("ws://a", 1, "")`:                                               false,
	} {
		if got := n.run(t, `Promise.all([`+base+`, `+expression+`]).then(([a, b]) => a === b)`); got != fmt.Sprint(same) {
			t.Errorf("%s shares with %s: %s", expression, base, got)
		}
	}
}

// TestTabLeavesGroupWithOtherRights proves that a leading tab whose new token has other claims takes a connection of its own, and
// leaves the former one to the other tab.
func TestTabLeavesGroupWithOtherRights(t *testing.T) {
	const secret = "a secret that is long enough for HS256"
	sign := func(sub string, valid time.Duration) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": sub, "exp": time.Now().Add(valid).Unix()}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [shared]}}
sinks: {out: {type: websocket, origins: ["*"], auth: {jwt: {algorithm: HS256, key: "`+secret+`"}}, authorize: owner == claims.sub}}
routes: {r: {from: [bus], to: [out]}}
`), nil)
	b, pages := startBrowser(t, ""), servePages(t)
	var tabs []*clientPage
	// The first token of the leader is valid for a few seconds: "expiring" comes when half of them are left.
	for i, tokens := range []string{
		fmt.Sprintf(`[%q, %q]`, sign("ada", 5*time.Second), sign("eve", time.Hour)),
		fmt.Sprintf(`[%q]`, sign("ada", time.Hour)),
	} {
		tab := openTab(b, pages.url)
		tab.run(t, fmt.Sprintf(`(window.got = [], window.tokens = %s, window.client = new GatewayClient("ws://127.0.0.1:%s/", { share: true, getToken: () => tokens.length > 1 ? tokens.shift() : tokens[0] }),
			client.subscribe({}, { onMessage: (payload) => got.push(parse(payload).owner) }), 0)`, tokens, r.port))
		if i == 0 {
			tab.await(`client.state === "connected"`)
		}
		tabs = append(tabs, tab)
	}
	testenv.Eventually(t, testenv.Wait, "two clients", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="out"} 2`) })
	for _, tab := range tabs {
		tab.await(`client.state === "connected"`)
	}
	testenv.Eventually(t, testenv.Wait, "an event in both", func() bool {
		for _, owner := range []string{"ada", "eve"} {
			if err := testenv.RedisClient(t).Publish(testenv.Context(t), "shared", `{"owner":"`+owner+`"}`).Err(); err != nil {
				t.Fatal(err)
			}
		}
		return tabs[0].run(t, `got.includes("eve")`) == "true" && tabs[1].run(t, `got.includes("ada")`) == "true"
	})
	if got := tabs[1].run(t, `got.includes("eve")`); got != "false" {
		t.Error("a tab got events that its token does not allow")
	}
}
