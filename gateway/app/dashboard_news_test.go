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
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
)

// The promise is three seconds until the page is red, and three until it is green. A busy machine
// gets more.
const pageWithin = 10 * time.Second

const (
	pageIsWell   = `document.querySelector("connection-state").dataset.state === "connected" && document.querySelector("health-state").dataset.state === "well"`
	pageIsSilent = `document.querySelector("connection-state").dataset.state === "silent" && document.querySelector("connection-state").textContent.startsWith("No news for ")`
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

// looks takes pictures of how the page is, in both sizes and schemes.
func (b *browser) looks(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.run(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
			features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
			return chromedp.Void{}, err
		})
		for _, width := range []int64{390, 1280} {
			b.run(chromedp.EmulateViewport(width, 844))
			b.shot(fmt.Sprintf("%s-%s-%d", name, scheme, width))
			if eval[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
				b.t.Errorf("%s: the page is wider than %d", name, width)
			}
		}
	}
}

// newsConfigOf takes how many events come.
const newsConfigOf = `
http: {listen: ":${PORT}", admin: {token: a-secret-of-the-test}}
sources:
  made: {type: generate, rate: %s}
sinks:
  browsers: {type: websocket}
routes:
  all: {from: [made], to: [browsers]}
`

// TestDashboardShowsAFrozenGateway: its sockets stay open, and no request is answered. The page
// says so by its own clock, also where nothing but pings would come.
func TestDashboardShowsAFrozenGateway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, rate := range map[string]string{"flowing": "5", "idle": "0, count: 1"} {
		t.Run(name, func(t *testing.T) {
			port := strconv.Itoa(testenv.FreePort(t))
			cmd := exec.Command(path, "-c", writeConfig(t, fmt.Sprintf(newsConfigOf, rate)))
			cmd.Env = []string{"PORT=" + port, "XDG_STATE_HOME=" + t.TempDir()}
			var log testenv.Log
			cmd.Stderr = &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
			testenv.Eventually(t, testenv.Wait, "ready", func() bool { return strings.Contains(log.String(), "ready: every source is connected") })
			b := openURL(t, "http://127.0.0.1:"+port+"/#token=a-secret-of-the-test")
			b.await(pageIsWell)
			b.looks("healthy")

			since := time.Now()
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			b.within(since, "frozen: red", pageIsSilent+` && document.querySelector("health-state").dataset.state === "silent"
				&& document.querySelector("component-list .news")?.textContent.startsWith("No news for ")`)
			b.await(`parseInt(document.querySelector("connection-state").textContent.match(/for (\d+) s/)[1]) >= 5`) // its clock goes on
			b.looks("frozen")
			since = time.Now()
			if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			b.within(since, "thawed: green", pageIsWell+` && !document.querySelector("component-list .news")`)
			received := eval[string](b, `document.querySelector("key-figures dd").textContent`)
			if name == "flowing" {
				b.await(fmt.Sprintf(`document.querySelector("key-figures dd").textContent !== %q`, received))
			}
			b.noFaults()
		})
	}
}

// TestDashboardLeavesAHalfOpenConnection: a proxy in between has lost the connections of the page,
// and tells nobody. New ones pass.
func TestDashboardLeavesAHalfOpenConnection(t *testing.T) {
	r := startGateway(t, writeConfig(t, fmt.Sprintf(newsConfigOf, "0, count: 1")), nil)
	for name, freeze := range map[string]func(*testenv.Proxy) func(){"both ways": (*testenv.Proxy).Freeze, "answers": (*testenv.Proxy).FreezeAnswers} {
		t.Run(name, func(t *testing.T) {
			proxy, url := testenv.ProxyURL(t, "http://127.0.0.1:"+r.port)
			b := openURL(t, url+"/#token=a-secret-of-the-test")
			b.await(pageIsWell)
			eval[bool](b, `(window.said = [], new MutationObserver(() => said.push(document.querySelector("connection-state").dataset.state))
				.observe(document.querySelector("connection-state"), { attributes: true, attributeFilter: ["data-state"] }), true)`)
			since := time.Now()
			defer freeze(proxy)()
			b.within(since, "half open: red", `said.includes("silent")`)
			since = time.Now()
			b.within(since, "connected anew: green", pageIsWell)
			b.noFaults()
		})
	}
}

// TestDashboardShowsKilledServers measures how soon the page shows that a server is gone, and back.
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
		b.looks(server.name + "-killed")
		if err := server.start(testenv.Context(t)); err != nil {
			t.Fatal(err)
		}
		since = time.Now()
		b.within(since, server.name+" back: green", pageIsWell+` && !document.querySelector("component-list .error:not(.past):not([hidden])")`)
	}
	b.noFaults()
}
