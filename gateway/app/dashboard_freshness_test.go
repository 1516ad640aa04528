package app

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

// pageWithin bounds the time until the page shows an outage, and until it shows its end. The page must
// take three seconds; a busy machine gets more time.
const pageWithin = 10 * time.Second

const (
	pageIsWell   = `document.querySelector("connection-state").dataset.state === "connected" && document.querySelector("health-state").dataset.state === "well"`
	pageIsSilent = `document.querySelector("health-state").dataset.state === "silent" && document.querySelector("health-state").textContent.startsWith("No response for ") && document.title.startsWith("✕ No response for ")`
)

// within waits for a condition, and logs how long that took.
func (b *browser) within(since time.Time, what, condition string) {
	b.t.Helper()
	b.await(condition)
	took := time.Since(since)
	b.t.Logf("%s after %.2f s", what, took.Seconds())
	if took > pageWithin {
		b.t.Errorf("%s after %v", what, took)
	}
}

// screenshots writes screenshots of the page, in both sizes and color schemes.
func (b *browser) screenshots(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.emulate("prefers-color-scheme", scheme)
		for _, width := range []int64{390, 1280} {
			b.run(chromedp.EmulateViewport(width, 844))
			b.screenshot(fmt.Sprintf("%s-%s-%d", name, scheme, width))
			if eval[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
				b.t.Errorf("%s: the page is wider than %d", name, width)
			}
			if (scheme == "light") == (width == 1280) { // axe takes a second: each scheme and each width once
				b.accessible(name)
			}
		}
	}
}

// newsConfigOf is formatted with the rate of events.
const newsConfigOf = `
http: {listen: ":${PORT}", admin: {token: a-secret-of-the-test}}
sources:
  made: {type: generate, rate: %s}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [made], to: [browsers]}
`

// TestDashboardDetectsFrozenGateway proves that the page shows a frozen gateway, whose sockets stay open, by its own
// clock, also if only pings are expected.
func TestDashboardDetectsFrozenGateway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, rate := range map[string]string{"flowing": "5", "idle": "0, count: 1"} {
		t.Run(name, func(t *testing.T) {
			port := strconv.Itoa(testenv.FreePort(t))
			file, state := writeConfig(t, fmt.Sprintf(newsConfigOf, rate)), t.TempDir()
			start := func() *exec.Cmd {
				cmd := exec.Command(path, "-c", file)
				cmd.Env = []string{"PORT=" + port, "XDG_STATE_HOME=" + state}
				var log testenv.Log
				cmd.Stderr = &log
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					_ = cmd.Process.Kill() // it fails if the gateway has ended
					_ = cmd.Wait()
				})
				testenv.Eventually(t, testenv.Wait, "ready", func() bool { return strings.Contains(log.String(), "gateway ready") })
				return cmd
			}
			cmd := start()
			b := openURL(t, "http://127.0.0.1:"+port+"/#token=a-secret-of-the-test")
			b.await(pageIsWell)
			b.screenshots("healthy")

			since := time.Now()
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			b.within(since, "frozen: red", pageIsSilent+` && document.querySelector("connection-state").dataset.state === "silent" && document.querySelector("key-figures.stale")
				&& document.querySelector("component-list .news")?.textContent.startsWith("No response for ")`)
			b.await(`parseInt(document.querySelector("health-state").textContent.match(/for (\d+) s/)[1]) >= 5`) // the clock of the page still counts
			b.screenshots("frozen")
			since = time.Now()
			if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			b.within(since, "thawed: green", pageIsWell+` && !document.querySelector("component-list .news")`)
			received := eval[string](b, `document.querySelector("key-figures dd").textContent`)
			if name == "idle" {
				testStopAndStart(t, b, cmd, start)
				testOffline(b)
			} else {
				b.await(fmt.Sprintf(`document.querySelector("key-figures dd").textContent !== %q`, received))
			}
			b.checkErrors()
		})
	}
}

// testStopAndStart proves that the page says why a gateway that stops has closed the connection, and connects as soon as it runs again.
func testStopAndStart(t *testing.T, b *browser, cmd *exec.Cmd, start func() *exec.Cmd) {
	t.Helper()
	identity := eval[string](b, `document.querySelector("#identity").textContent`)
	if ok := eval[bool](b, `/^127\.0\.0\.1:\d+ · .+ · up \d+ (s|min)$/.test(document.querySelector("#identity").textContent)`); !ok {
		t.Errorf("the header says %q", identity)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	b.await(pageIsSilent + ` && document.querySelector("health-state").title.endsWith("; the gateway said: the gateway is stopping")`)
	b.await(`document.querySelector("link[rel=icon]").href.endsWith("/icon-failing.svg")`)
	b.screenshots("stopped")
	start()
	b.await(pageIsWell + ` && document.title === "Event gateway" && document.querySelector("link[rel=icon]").href.endsWith("/icon.svg")`)
}

// testOffline proves that the page says that its computer is offline, and connects as soon as it is online again.
func testOffline(b *browser) {
	b.t.Helper()
	offline := func(is bool) {
		b.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
				MatchedNetworkConditions: []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}},
			})
			if err == nil {
				_, err = cdp.Call(ctx, t, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: is, DownloadThroughput: -1, UploadThroughput: -1})
			}
			return chromedp.Void{}, err
		})
	}
	offline(true)
	b.await(pageIsSilent + ` && document.querySelector("health-state").title.includes("this computer is offline")`)
	offline(false)
	b.await(pageIsWell)
}

// TestDashboardReplacesHalfOpenConnection proves that the page reconnects after a proxy has silently dropped its
// connections.
func TestDashboardReplacesHalfOpenConnection(t *testing.T) {
	r := startGateway(t, writeConfig(t, fmt.Sprintf(newsConfigOf, "0, count: 1")), nil)
	for name, freeze := range map[string]func(*testenv.Proxy) func(){"both ways": (*testenv.Proxy).Freeze, "answers": (*testenv.Proxy).FreezeAnswers} {
		t.Run(name, func(t *testing.T) {
			proxy, url := testenv.ProxyURL(t, "http://127.0.0.1:"+r.port)
			b := openURL(t, url+"/#token=a-secret-of-the-test")
			b.await(pageIsWell)
			eval[bool](b, `(window.shown = { connection: [], health: [] }, ["connection", "health"].forEach((name) => {
				const state = document.querySelector(name + "-state");
				new MutationObserver(() => shown[name].push(state.dataset.state)).observe(state, { attributes: true, attributeFilter: ["data-state"] });
			}), true)`)
			// The browser keeps six connections open. The proxy drops all of them.
			eval[bool](b, `(Promise.all(Array.from({ length: 6 }, () => fetch("api/status").then((r) => r.text()))).then(() => window.opened = true), true)`)
			b.await(`window.opened`)
			since := time.Now()
			defer freeze(proxy)()
			b.within(since, "half open: red", `shown.connection.includes("silent") && shown.health.includes("silent")`)
			since = time.Now()
			b.within(since, "connected anew: green", pageIsWell)
			b.checkErrors()
		})
	}
}

// TestDashboardShowsKilledServers proves that the page shows the outage and the return of a server soon.
func TestDashboardShowsKilledServers(t *testing.T) {
	pg := testenv.StartPostgres(t)
	redis, _ := testenv.StartRedis(t)
	r := startLeading(t, map[string]string{"DATABASE_URL": pg.URL(), "REDIS_URL": redis.URL()})
	b := openDashboard(t, r)
	b.await(pageIsWell)
	for _, server := range []struct {
		name  string
		end   func() error
		start func(context.Context) error
	}{
		{"redis", func() error { redis.Kill(); return nil }, redis.Start},
		{"postgres", func() error { return pg.Crash(testenv.Context(t)) }, pg.Start},
	} {
		since := time.Now()
		if err := server.end(); err != nil {
			t.Fatal(err)
		}
		b.within(since, server.name+" killed: red", `document.querySelector("health-state").dataset.state === "failing" && document.querySelector('component-list li[data-up="false"] .error:not(.past)')`)
		b.screenshots(server.name + "-killed")
		if err := server.start(testenv.Context(t)); err != nil {
			t.Fatal(err)
		}
		since = time.Now()
		b.within(since, server.name+" back: green", pageIsWell+` && !document.querySelector("component-list .error:not(.past):not([hidden])")`)
	}
	b.checkErrors()
}
