package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

var embeddedDir = regexp.MustCompile(`/tmp/eventgateway-\d+`)

// startEmbedded starts the default configuration with embedded servers. dir is their folder.
func startEmbedded(t *testing.T, env map[string]string, args ...string) (p *program, dir string) {
	t.Helper()
	p = startBinary(t, env, append([]string{"-c", absolute(t, "gateway.yaml")}, args...)...)
	p.awaitReady()
	return p, embeddedDir.FindString(p.stderr.String())
}

// changeOrder changes an order by /api/demo, and returns the frame of the change.
func changeOrder(t *testing.T, p *program) string {
	t.Helper()
	conn := dial(t, p)
	read(t, conn) // welcome
	requestDemo(t, p)
	return read(t, conn)
}

// requestDemo has the gateway change an order, as the button of the dashboard does.
func requestDemo(t *testing.T, p *program) {
	t.Helper()
	req, err := http.NewRequest("POST", "http://127.0.0.1:"+p.port+"/api/demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Gateway-Demo", "1")
	req.Header.Set("Authorization", "Bearer "+p.secret())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("/api/demo answers %s", resp.Status)
	}
}

// processes counts the processes whose command line names dir.
func processes(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), dir) {
			n++
		}
	}
	return n
}

// TestGatewayWithoutSettingsStartsServers proves that a gateway without settings starts embedded servers and
// delivers a change of an order. After SIGTERM and after kill -9 no process and no folder of them is left.
func TestGatewayWithoutSettingsStartsServers(t *testing.T) {
	t.Run("installed Redis", func(t *testing.T) {
		env := map[string]string{"PATH": os.Getenv("PATH")}
		p, dir := startEmbedded(t, env)
		if got := changeOrder(t, p); !strings.Contains(got, `"operation" : "INSERT"`) || !strings.Contains(got, `"_pub_id":1}`) {
			t.Errorf("frame: %s", got)
		}
		if banner := p.stderr.String(); !strings.Contains(banner, "LOST on exit") || !strings.Contains(banner, "psql 'postgres:///") || !strings.Contains(banner, "open http://localhost:") {
			t.Errorf("banner: %s", banner)
		}
		if _, metrics := p.get("/metrics"); !strings.Contains(metrics, `gateway_embedded{server="postgres"} 1`) {
			t.Error("no metric reports the embedded PostgreSQL")
		}
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("exit status %d", code)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) || processes(t, dir) != 0 {
			t.Errorf("SIGTERM leaves %d processes, and %s: %v", processes(t, dir), dir, err)
		}
	})
	t.Run("no Redis", func(t *testing.T) { // without a PATH no redis-server is found
		p := startBinary(t, nil, "-c", absolute(t, "gateway.yaml"))
		if code := p.exit(testenv.Wait); code != 1 {
			t.Errorf("exit status %d", code)
		}
		if message := p.stderr.String(); !strings.Contains(message, "no Redis server is installed") || !strings.Contains(message, "apt-get install redis-server") || !strings.Contains(message, "set REDIS_URL") {
			t.Errorf("error: %s", message)
		}
	})
	t.Run("kill -9", func(t *testing.T) {
		env := map[string]string{"PATH": os.Getenv("PATH")}
		p, dir := startEmbedded(t, env)
		if processes(t, dir) < 2 {
			t.Fatalf("%d processes use %s", processes(t, dir), dir)
		}
		p.cmd.Process.Kill()
		p.exit(testenv.Wait)
		testenv.Eventually(t, testenv.Wait, "without processes after kill -9", func() bool { return processes(t, dir) == 0 })
		next, _ := startEmbedded(t, env)
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("the next start leaves %s: %v", dir, err)
		}
		next.cmd.Process.Signal(syscall.SIGTERM)
		next.exit(testenv.Wait)
	})
}

// TestDataFolderKeepsData proves that --data stores the data of embedded servers over a restart, and that a second
// gateway refuses a folder in use.
func TestDataFolderKeepsData(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "egdata")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	env := map[string]string{"PATH": os.Getenv("PATH")}
	p, _ := startEmbedded(t, env, "--data", dir)
	changeOrder(t, p)
	second := startBinary(t, env, "-c", absolute(t, "gateway.yaml"), "--data", dir)
	if code := second.exit(testenv.Wait); code != 1 || !strings.Contains(second.stderr.String(), "in use by another gateway") {
		t.Errorf("a second gateway on the same data: status %d, %s", code, second.stderr.String())
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit(testenv.Wait)
	restarted, _ := startEmbedded(t, env, "--data", dir)
	conn, err := pgx.Connect(testenv.Context(t), "postgres:///postgres?user=postgres&host="+dir+"/pg")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(testenv.Context(t))
	var orders int
	if err := conn.QueryRow(testenv.Context(t), "SELECT count(*) FROM orders").Scan(&orders); err != nil || orders != 1 {
		t.Errorf("%d orders, %v", orders, err)
	}
	if got := changeOrder(t, restarted); !strings.Contains(got, `"_pub_id":2}`) {
		t.Errorf("Redis has lost its counter: %s", got)
	}
	restarted.cmd.Process.Signal(syscall.SIGTERM)
	restarted.exit(testenv.Wait)
}

// TestTailPrintsEvents proves that `gateway tail` prints events from a gateway, a Redis channel and a PostgreSQL
// channel.
func TestTailPrintsEvents(t *testing.T) {
	env := realServers(t)
	gateway := startBinary(t, env, "-c", absolute(t, "gateway.yaml"))
	gateway.awaitReady()
	env["WS_URL"] = "ws://127.0.0.1:" + gateway.port
	tails := map[string]*program{
		"gateway":  startBinary(t, env, "tail", "--json", "--filter", `order.customer_name == "Ada"`),
		"redis":    startBinary(t, env, "tail", "--json", env["REDIS_URL"], "--channel", "orders_updates"),
		"postgres": startBinary(t, env, "tail", env["DATABASE_URL"], "--channel", "orders_channel"),
	}
	for _, p := range tails {
		p.awaitLog("up source=events")
	}
	order(t, "Ada", "1.50")
	if got := tails["gateway"].line(); !strings.Contains(got, `"customer_name":"Ada"`) || !strings.Contains(got, `"amount":1.50`) {
		t.Errorf("gateway: %s", got)
	}
	if got := tails["redis"].line(); !strings.Contains(got, `"_pub_id":`) {
		t.Errorf("redis: %s", got)
	}
	if got := tails["postgres"].line(); !strings.Contains(got, "orders_channel INSERT") {
		t.Errorf("postgres: %s", got)
	}
	for name, p := range tails {
		p.cmd.Process.Signal(os.Interrupt)
		if code := p.exit(testenv.Wait); code != 0 {
			t.Errorf("tail %s: exit status %d", name, code)
		}
	}
}
