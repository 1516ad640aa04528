package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

func TestMain(m *testing.M) {
	state, err := os.MkdirTemp("", "egstate")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_STATE_HOME", state) // the gateways' secrets
	testenv.Main(m, func() { os.RemoveAll(state) })
}

func plugins() plugin.Set {
	return plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()}
}

// defaultConfig is the absolute path of gateway.yaml: tests may change the
// working directory.
var defaultConfig = func() string {
	path, err := filepath.Abs("../../gateway.yaml")
	if err != nil {
		panic(err)
	}
	return path
}()

// running is a gateway that a test has started in its own process.
type running struct {
	*gateway
	t      testing.TB
	port   string
	said   *testenv.Log // the log
	levels *logLevels
	ready  func(context.Context) error // waits until the first sources are connected
	stop   func()                      // stops it, and checks the conservation law
}

// startGateway runs a configuration file until the test ends. Without env it gets
// the servers of testenv.
func startGateway(t testing.TB, file string, env map[string]string, routes ...string) *running {
	t.Helper()
	r := startUnready(t, file, env, routes...)
	if err := r.ready(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

// startUnready is like startGateway, but does not wait until the sources are connected.
func startUnready(t testing.TB, file string, env map[string]string, routes ...string) *running {
	t.Helper()
	port := strconv.Itoa(testenv.FreePort(t))
	vars := map[string]string{"PORT": port}
	for name, value := range env {
		vars[name] = value
	}
	if vars["DATABASE_URL"] == "" {
		vars["DATABASE_URL"] = testenv.Postgres(t).URL()
	}
	if vars["REDIS_URL"] == "" {
		vars["REDIS_URL"] = testenv.Redis(t).URL()
	}
	cfg, problems := config.Load(config.Request{Files: []string{file}, Env: config.NewEnv(vars), Plugins: plugins(), Routes: routes})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	levels, err := newLogLevels(cfg)
	if err != nil {
		t.Fatal(err)
	}
	said := &testenv.Log{}
	g, err := assemble(cfg, slog.New(&leveled{Handler: slog.NewTextHandler(io.MultiWriter(testWriter{t}, said), &slog.HandlerOptions{Level: slog.LevelDebug}), levels: levels}))
	if err != nil {
		t.Fatal(err)
	}
	g.admin.LogLevels = levels
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), g.initial.plan.Readiness()
	go func() { ended <- g.run(ctx) }()
	r := &running{gateway: g, t: t, port: port, said: said, levels: levels, ready: ready}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the gateway ended with: %v", err)
			}
		case <-time.After(testenv.Wait):
			t.Fatal("the gateway does not stop")
		}
		if err := g.router.Status().ConservedAtRest(); err != nil {
			t.Errorf("conservation: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// startLeading starts the default configuration, and waits until it captures: the leadership of
// an earlier test may end a moment later.
func startLeading(t testing.TB, env map[string]string, routes ...string) *running {
	t.Helper()
	r := startGateway(t, defaultConfig, env, routes...)
	testenv.Eventually(t, testenv.Wait, "leading", func() bool { l := r.source("orders_db").Leader; return l != nil && l.State == "leader" })
	return r
}

// testWriter writes the gateway's log to the log of the test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// writeConfig writes text to a file of the test.
func writeConfig(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// client is a WebSocket client that has read its welcome.
type client struct {
	*websocket.Conn
	t testing.TB
}

const welcome = `{"type":"welcome","msg":"Connected to orders updates"}`

// dial connects a client that does not read yet.
func (r *running) dial() *client {
	r.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:"+r.port+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return &client{conn, r.t}
}

func (r *running) connect() *client {
	r.t.Helper()
	c := r.dial()
	if got := c.next(); got != welcome {
		r.t.Fatalf("first frame is %s, want %s", got, welcome)
	}
	return c
}

// next returns the next message as text.
func (c *client) next() string {
	c.t.Helper()
	_, msg := c.nextFrame()
	return string(msg)
}

func (c *client) nextFrame() (kind int, msg []byte) {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(testenv.Wait))
	kind, msg, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return kind, msg
}

// get requests a path, with the generated secret.
func (r *running) get(path string) (status int, body string) {
	token := ""
	if strings.HasPrefix(path, "/api/") {
		token = r.secret()
	}
	return r.getWithToken(path, token)
}

// secret returns the generated secret of /api.
func (r *running) secret() string {
	return strings.TrimPrefix(r.admin.Link(true), "#token=")
}

func (r *running) getWithToken(path, token string) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequest("GET", "http://127.0.0.1:"+r.port+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (r *running) source(name string) stats.SourceStatus {
	for _, s := range r.router.Status().Sources {
		if s.Name == name {
			return s
		}
	}
	r.t.Fatalf("no source %s", name)
	panic("unreachable")
}

// gaps returns how many gaps a source has reported since its start.
func (r *running) gaps(name string) uint64 {
	s := r.source(name)
	return s.Gaps - s.GapsAtStart
}

func (r *running) sink(name string) stats.SinkStatus {
	for _, s := range r.router.Status().Sinks {
		if s.Name == name {
			return s
		}
	}
	r.t.Fatalf("no sink %s", name)
	panic("unreachable")
}
