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
