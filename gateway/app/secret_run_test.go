package app

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/testenv"
)

// failingConfig is a configuration of many components that all fail, each with its own secrets.
type failingConfig struct {
	*canaries
	env                                     map[string]string
	sources, transforms, sinks, routes, all []string
}

// hidden sets a variable to a secret, and returns the reference to it, such as ${V1}.
func (c *failingConfig) hidden(name, value string) string {
	c.env[name] = value
	return "${" + name + "}"
}

func (c *failingConfig) add(section *[]string, kind, options string) (name string) {
	name = fmt.Sprintf("c%d", len(c.all))
	c.all = append(c.all, name)
	if strings.Contains(options, "TEXT") {
		options = strings.ReplaceAll(options, "TEXT", c.hidden("TEXT_"+strings.ToUpper(name), c.plain("a text of "+kind+" "+name)))
	}
	*section = append(*section, fmt.Sprintf("  %s: {type: %s, %s}\n", name, kind, options))
	return name
}

// login returns a user and a new secret as password, for a URL.
func (c *failingConfig) login(what string) string {
	return "user:" + url.QueryEscape(c.plant(what)) + "@"
}

func (c *failingConfig) source(kind, options string) {
	name := c.add(&c.sources, kind, options)
	c.routes = append(c.routes, fmt.Sprintf("  from_%s: {from: [%s], to: [screen], dead_letter: kept}\n", name, name))
}

func (c *failingConfig) sink(kind, options string) {
	name := c.add(&c.sinks, kind, options+", best_effort: true, retry: {attempts: 1}")
	c.routes = append(c.routes, fmt.Sprintf("  to_%s: {from: [feed], to: [%s]}\n", name, name))
}

func (c *failingConfig) transform(kind, options string) {
	name := c.add(&c.transforms, kind, options)
	c.routes = append(c.routes, fmt.Sprintf("  through_%s: {from: [feed], through: [%s], to: [screen]}\n", name, name))
}

func (c *failingConfig) yaml(port int) string {
	return fmt.Sprintf("http: {listen: \"127.0.0.1:%d\", admin: {token: %q}}\nlog: {level: debug}\nshutdown_timeout: 1s\n", port, c.text["the admin's token"]) +
		"sources:\n  feed: {type: leaking, secret: " + fmt.Sprintf("%q", c.plant("a secret of the source feed")) + "}\n" + strings.Join(c.sources, "") +
		"transforms:\n" + strings.Join(c.transforms, "") +
		"sinks:\n  screen: {type: file, path: /dev/null}\n  kept: {type: file, path: /dev/null}\n" + strings.Join(c.sinks, "") +
		"routes:\n  never: {from: [feed], when: 'missing.member == \"${WHEN}\"', to: [screen]}\n" + strings.Join(c.routes, "")
}

func newFailingConfig(t *testing.T) *failingConfig {
	c := &failingConfig{canaries: newCanaries(t), env: map[string]string{}}
	c.plain("the admin's token")
	c.hidden("WHEN", c.plain("a condition"))
	closed, redis, rawRedis, postgres := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)), echoRedis(t, "-ERR you said "), echoRedis(t, ""), echoPostgres(t)

	for _, host := range []string{closed, "no-such-host.invalid", redis, rawRedis} {
		for _, form := range []string{"redis://%s" + host + "/0", "redis-cluster://%s" + host, "redis-sentinel://%s" + host + "?master_name=m&sentinel_password=" + c.plain("a sentinel's password at "+host)} {
			at := fmt.Sprintf(`url: "%s"`, fmt.Sprintf(form, c.login(form)))
			c.source("redis-sub", at+`, channels: ["TEXT"]`)
			c.source("redis-stream", at+`, stream: "TEXT", from: start`)
			c.sink("redis-pub", at+`, channel: "TEXT"`)
			c.sink("redis-stream", at+`, stream: "TEXT"`)
		}
		c.transform("dedupe", fmt.Sprintf(`redis: "redis://%s%s", by: "id", prefix: "TEXT"`, c.login("dedupe"), host))
	}
	for _, host := range []string{closed, "no-such-host.invalid", postgres, echoServer(t)} {
		at := fmt.Sprintf(`url: "postgres://%s%s/d?sslmode=disable&sslpassword=%s"`, c.login("postgres at "+host), host, c.plain("sslpassword at "+host))
		c.source("postgres-notify", at+`, channels: ["TEXT"]`)
		c.source("postgres-outbox", at+`, name: n`)
		c.transform("lookup", at+`, query: "SELECT 1 AS \"TEXT\"", into: x`)
		c.transform("lookup", fmt.Sprintf(`url: "postgres://%s/d?sslmode=disable&user=u&password=%s", query: "SELECT 1", into: x`, host, c.plain("a password in the query at "+host)))
	}
	for name, answer := range receivers {
		web := func(kind, scheme string) string {
			what := kind + " whose server " + name
			return fmt.Sprintf("%s://%s%s/services/%s/x1/%s?key=%s", scheme, c.login("the login of "+what), receiver(t, answer),
				url.QueryEscape(c.plant("a path of "+what)), c.plain("another path of " + what)[:9], url.QueryEscape(c.plant("a query of "+what)))
		}
		headers := fmt.Sprintf(`headers: {X-Api: "Bearer %s", X-Made: "{{ '%s' + string(id) }}", X-Operation: "{{ id }}"}, path: "/TEXT/{{ id }}"`, c.plain("a header to one that "+name), c.plain("a made header to one that "+name))
		c.sink("webhook", fmt.Sprintf(`url: "%s", allow: [127.0.0.1], %s, secrets: ["%s"]`, web("webhook", "http"), headers, webhookKey))
		c.sink("webhook", fmt.Sprintf(`url: "%s", allow: [127.0.0.1], %s`, web("webhook by TLS", "https"), headers))
		c.sink("webhook", fmt.Sprintf(`url: "https://shop.example/%s", proxy: "%s"`, c.plain("a path behind a proxy that "+name), web("proxy", "http")))
		c.sink("websocket", fmt.Sprintf(`path: "/%s", auth: {query: access_token, tokens: {someone: "%s"}, jwt: {algorithm: RS256, jwks: "%s"}}`, strings.ReplaceAll(name, " ", "-"), c.plain("a token beside one that "+name), web("jwks", "http")))
	}
	for _, u := range []string{"https://%sno-such-host.invalid/%s", "http://%s" + closed + "/a/b?%s", "https://%s127.0.0.2/%s"} {
		c.sink("webhook", fmt.Sprintf(`url: "%s", allow: [127.0.0.0/8]`, fmt.Sprintf(u, c.login("webhook"), c.plain("webhook"))))
	}
	for _, how := range []string{"fails", "panics", "panics with an error", "partly", "for good", "disables"} {
		said := fmt.Sprintf(`secret: %q, url: "https://u:%s@h/%s?q=%s", text: "TEXT", how: %s`,
			c.plant("a secret that "+how), c.plain("a password that "+how), c.plain("a path that "+how), c.plain("a query that "+how), how)
		c.source("leaking", said)
		c.transform("leaking", said)
		c.sink("leaking", said)
	}
	c.transform("set", `fields: {x: 'missing.member + "TEXT"'}`)
	c.transform("schema", `schema: {required: ["TEXT"]}`)
	c.sink("file", `path: "/nowhere/TEXT/x"`)
	return c
}

// TestFailingComponentsDoNotRevealSecrets proves that a gateway reveals no secret while its components fail. Servers
// are missing, break connections or echo requests, and plugins panic. The test searches the log, the status,
// the metrics and the reports of check.
func TestFailingComponentsDoNotRevealSecrets(t *testing.T) {
	c := newFailingConfig(t)
	port := testenv.FreePort(t)
	file := writeConfig(t, c.yaml(port))
	load := func(file string) (*config.Config, error) {
		cfg, problems := config.Load(config.Request{Files: []string{file}, Env: config.NewEnv(c.env), Plugins: withLeakingPlugins()})
		if len(problems) > 0 {
			return nil, configError(problems)
		}
		return cfg, nil
	}
	cfg, err := load(file)
	if err != nil {
		t.Fatal(err)
	}
	said := &testenv.Log{}
	log, redacted := redactSecrets(slog.New(slog.NewJSONHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})), cfg)
	g, err := assemble(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	broken := writeConfig(t, strings.Replace(c.yaml(port), "how: fails", "how: not built", -1))
	g.reloader = newReloader(nil, func(*config.Config) (*config.Config, error) { return load(broken) })
	g.reloader.redaction = redacted
	g.access.Set(true)
	var findings bytes.Buffer
	for _, asJSON := range []bool{false, true} {
		r := &report{w: &findings, json: asJSON, live: true}
		probe(testenv.Context(t), r, cfg, g, nil)
		_ = r.end(nil) // many findings are expected
	}
	c.find("check --live", findings.String())

	ctx, stop := context.WithCancel(testenv.Context(t))
	ended := make(chan error, 1)
	go func() { ended <- g.run(ctx) }()
	token := c.text["the admin's token"]
	ask := func(path, token string) string {
		return (&running{t: t, port: fmt.Sprint(port)}).body(path, token)
	}
	testenv.Eventually(t, testenv.Wait, "failed everywhere", func() bool {
		st := g.router.Status()
		if len(st.Sources) == 0 { // the graph does not run yet
			return false
		}
		for _, s := range st.Sources {
			if s.Errors == 0 && s.Panics == 0 {
				return false
			}
		}
		for _, s := range st.Sinks {
			if s.Errors == 0 && s.Panics == 0 && s.Name != "screen" && s.Name != "kept" {
				return false
			}
		}
		for _, r := range st.Routes {
			if (strings.HasPrefix(r.Name, "through_") || r.Name == "never") && r.Errors == 0 {
				return false
			}
		}
		return true
	})
	if _, err := g.reloader.request(ctx); err != nil { // by the goroutine that watches the files
		t.Error(err)
	}
	for _, path := range []string{"/repeats?access_token=" + c.plain("a client's token"), "/repeats"} {
		_, _, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d%s", port, path), http.Header{"Authorization": {"Bearer " + c.plain("another client's token")}})
		c.find("a refusal", fmt.Sprint(err))
	}
	status := ask("/api/status", token)
	for what, text := range map[string]string{
		"/api/status": status, "/api/dead-letters": ask("/api/dead-letters", token), "/metrics": ask("/metrics", ""), "/readyz": ask("/readyz", ""),
		"/api/status without the token": ask("/api/status", ""),
	} {
		c.find(what, text)
	}
	if !strings.Contains(status, `"last_error"`) || !strings.Contains(status, "not built") && !strings.Contains(status, "problem in the configuration") && !strings.Contains(status, "problems in the configuration") {
		t.Errorf("the status does not say what is wrong: %.2000s", status)
	}
	_ = fs.WalkDir(os.DirFS("../../web"), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".go" {
			c.find("the page "+path, ask("/"+path, ""))
		}
		return nil
	})
	stop()
	c.find("the end", fmt.Sprint(<-ended))
	c.find("the log", said.String())
	for _, want := range []string{"panic", "***", `"msg":"gap"`, "component down", "event not delivered"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is not in the log: was it searched?", want)
		}
	}
}

// body returns the body of the answer to a GET.
func (r *running) body(path, token string) string {
	status, body := r.getWithToken(path, token)
	return fmt.Sprint(status, " ", body)
}
