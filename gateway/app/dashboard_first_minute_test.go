package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/testenv"
)

// startWithEmbedded runs the default configuration with embedded servers until the test ends.
func startWithEmbedded(t *testing.T) (r *running, servers embeddedServers) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cfg := loadWithoutServers(t, defaultConfig, nil)
	servers, err := startEmbedded(ctx, cfg, "", testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	r = startOn(t, ctx, servers, cfg)
	stop := r.stop
	r.stop = sync.OnceFunc(func() {
		cancel()
		stop()
		if err := servers.stop(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	testenv.Eventually(t, testenv.Wait, "leading", func() bool { l := r.source("orders_db").Leader; return l != nil && l.State == "leader" })
	return r, servers
}

func testLog(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(testWriter{t}, nil)) }

// loadWithoutServers loads a configuration without DATABASE_URL and REDIS_URL. vars are further variables.
func loadWithoutServers(t *testing.T, file string, vars map[string]string) *config.Config {
	t.Helper()
	env := map[string]string{"PORT": strconv.Itoa(testenv.FreePort(t))}
	maps.Copy(env, vars)
	cfg, problems := config.Load(config.Request{Files: []string{file}, Env: config.NewEnv(env), Plugins: plugins()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return cfg
}

// startOn runs a configuration, whose URLs are those of embedded servers, until stop or the end of ctx.
func startOn(t *testing.T, ctx context.Context, servers embeddedServers, cfg *config.Config) *running {
	t.Helper()
	g, err := assemble(cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	servers.register(g)
	ctx, cancel := context.WithCancel(ctx)
	ended, ready := make(chan error, 1), g.initial.plan.Readiness()
	go func() { ended <- g.run(ctx) }()
	_, port, _ := net.SplitHostPort(cfg.HTTP.Listen)
	r := &running{gateway: g, t: t, port: port}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := g.router.Status().ConservedAtRest(); err != nil {
			t.Errorf("conservation: %v", err)
		}
	})
	t.Cleanup(r.stop)
	if err := ready(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

// demo asks for something of /api/demo.
func (r *running) demo(t *testing.T, do string) int {
	r.t.Helper()
	header := authorization(r.secret())
	header.Set("X-Gateway-Demo", "1")
	return send(t, "POST", "http://127.0.0.1:"+r.port+"/api/demo?do="+do, "", header).StatusCode
}

// TestDashboardFirstMinute proves that a visitor of a gateway with embedded servers finds a command that makes an event, can make many, and
// can take Redis away: the queue fills and drains, nothing is lost, and Redis is back with its data, also if the gateway stops meanwhile.
func TestDashboardFirstMinute(t *testing.T) {
	t.Parallel()
	r, servers := startWithEmbedded(t)
	b := openDashboard(t, r)
	b.await(`document.querySelector("first-steps code")?.textContent.startsWith("psql 'postgres:///postgres?user=postgres&host=/tmp/eventgateway-")`)
	b.screenshots("first-steps")
	for i, want := range []string{"psql", "gateway tail", "curl -N"} {
		command := eval[string](b, fmt.Sprintf(`document.querySelectorAll("first-steps code")[%d].textContent`, i))
		if !strings.HasPrefix(command, want) {
			t.Fatalf("command %d: %s", i, command)
		}
		if want != "psql" {
			continue
		}
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	b.await(`document.querySelector("first-steps").hidden && document.querySelector("event-view").innerText.includes("Ada")`)

	b.run(chromedp.Click("#change"))
	testenv.Eventually(t, testenv.Wait, "a second order", func() bool { return r.sink("browsers").Delivered >= 2 })
	b.run(chromedp.Click(`demo-bar [role="switch"]`))
	b.await(`document.querySelector('demo-bar [role="switch"]').getAttribute("aria-checked") === "true"`)
	testenv.Eventually(t, testenv.Wait, "orders", func() bool { return r.sink("browsers").Delivered >= 20 })
	b.await(`[...document.querySelectorAll("flow-graph .rate")].filter((rate) => /^\d+\/s$/.test(rate.textContent)).length === 4`)
	b.screenshots("first-minute")
	b.run(chromedp.Click(`demo-bar button:last-of-type`))
	b.await(`/^Redis is back in \d+ s$/.test(document.querySelector("demo-bar button:last-of-type").textContent) && document.querySelector("demo-bar button:last-of-type").disabled`)
	if got := r.demo(t, "redis"); got != http.StatusConflict {
		t.Errorf("Redis is taken away twice: %d", got)
	}
	b.await(`document.querySelector("health-state").dataset.state === "failing" && /^\d of 6 (down|failing): /.test(document.querySelector("health-state").textContent)`)
	testenv.Eventually(t, testenv.Wait, "a queue", func() bool { return r.sink("bus").Queued >= 10 })
	b.screenshots("redis-away")
	delivered := r.sink("browsers").Delivered
	b.await(`document.querySelector("demo-bar button:last-of-type").textContent === "Take Redis away for 10 s" && ` + pageIsWell)
	testenv.Eventually(t, testenv.Wait, "the queue to drain", func() bool { return r.sink("bus").Queued < 10 && r.sink("browsers").Delivered > delivered+10 })
	b.await(`[...document.querySelectorAll("event-view tr")].length > 5`)
	b.run(chromedp.Click(`demo-bar [role="switch"]`))
	b.await(`document.querySelector('demo-bar [role="switch"]').getAttribute("aria-checked") === "false"`)
	if out, err := exec.Command("redis-cli", "-s", strings.TrimPrefix(servers.servers.RedisURL(), "unix://"), "GET", "orders:msg_id").Output(); err != nil || len(strings.TrimSpace(string(out))) < 2 {
		t.Errorf("the number of the last message is %q, %v: Redis has lost its data", out, err)
	}
	for do, want := range map[string]int{"stop": 204, "nothing": 400, "redis": 204} {
		if got := r.demo(t, do); got != want {
			t.Errorf("%s: %d, want %d", do, got, want)
		}
	}
	if got := r.demo(t, ""); got != 204 {
		t.Errorf("a change: %d", got)
	}
	testenv.Eventually(t, testenv.Wait, "the change to wait", func() bool { s := r.sink("bus"); return s.Queued+s.Writing > 0 })
	r.stop() // Redis is back at once, so that the queue drains
	if s := r.sink("bus"); s.In != s.Delivered {
		t.Errorf("lost at the stop: %+v", s)
	}
	b.checkErrors()
}

// TestDashboardHintsAtMissingTrigger proves that a user with the role read logs in by the form, and sees why there are no events, without a
// secret.
func TestDashboardHintsAtMissingTrigger(t *testing.T) {
	t.Parallel()
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}", admin: {users: {reader: {password: "${READER}", role: read}}}}
sources: {db: {type: postgres-notify, url: "${DATABASE_URL}", channels: [without_a_trigger]}}
sinks: {out: {type: stdout}}
routes: {all: {from: [db], to: [out]}}
`), map[string]string{"READER": hashOf(t, "r3ad")})
	if code, body := r.get("/api/hints"); code != 200 || !strings.Contains(body, "no trigger in this database notifies without_a_trigger") || !strings.Contains(body, "gateway sql --table TABLE --channel without_a_trigger --apply") {
		t.Errorf("%d: %s", code, body)
	}
	b := startBrowser(t, "")
	b.run(chromedp.Navigate("http://127.0.0.1:" + r.port + "/"))
	b.await(`document.querySelector("#locked form")?.checkVisibility()`)
	eval[bool](b, `(document.querySelector('#locked input[name="user"]').value = "reader", true)`)
	b.give("#locked", "r3ad")
	b.await(`document.querySelector("first-steps").innerText.includes("no trigger in this database notifies without_a_trigger")`)
	b.await(`document.querySelector("first-steps").innerText.includes('psql "$DATABASE_URL" -c') && document.querySelector("demo-bar").hidden`)
	b.screenshots("missing-trigger")
	b.checkErrors()
}
