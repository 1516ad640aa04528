// Package monitoring tests configs/prometheus and configs/grafana: the rules by promtool, and both by a Prometheus that
// scrapes gateways while servers fail. It also writes the dashboard.
package monitoring

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, func() { os.RemoveAll(binaryDir) }) }

var binaryDir string // empty while nothing is built

// binary builds the gateway once, and returns its path.
var binary = sync.OnceValues(func() (path string, err error) {
	binaryDir, err = os.MkdirTemp("", "gateway-monitored")
	if err != nil {
		return "", err
	}
	path = filepath.Join(binaryDir, "gateway")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "eventgateway/gateway")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

// gatewayProcess is a gateway that a test has started.
type gatewayProcess struct {
	t      *testing.T
	config string // its file
	addr   string // host:port of its listener
	env    []string
	client *http.Client
	cmd    *exec.Cmd
	log    testenv.Log
}

// startGateway starts a gateway with a configuration, and waits until it is ready. security is nil if it does not speak TLS.
func startGateway(t *testing.T, config string, security *tls.Config, env map[string]string) *gatewayProcess {
	t.Helper()
	g := &gatewayProcess{t: t, config: filepath.Join(t.TempDir(), "gateway.yaml")}
	g.addr = "127.0.0.1:" + strconv.Itoa(testenv.FreePort(t))
	g.client = &http.Client{Timeout: testenv.Wait, Transport: &http.Transport{TLSClientConfig: security}}
	g.env = []string{"ADDRESS=" + g.addr, "XDG_STATE_HOME=" + t.TempDir()}
	for name, value := range env {
		g.env = append(g.env, name+"="+value)
	}
	write(t, g.config, config)
	t.Cleanup(func() {
		g.kill()
		g.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("the gateway %s:\n%s", g.addr, g.log.String())
		}
	})
	g.start()
	return g
}

// start starts the process, also again after kill, and waits until it is ready.
func (g *gatewayProcess) start() {
	g.t.Helper()
	path, err := binary()
	if err != nil {
		g.t.Fatal(err)
	}
	g.cmd = exec.Command(path, "-c", g.config)
	g.cmd.Env, g.cmd.Dir = g.env, filepath.Dir(g.config)
	g.cmd.Stdout, g.cmd.Stderr = &g.log, &g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	scheme := "http://"
	if g.client.Transport.(*http.Transport).TLSClientConfig != nil {
		scheme = "https://"
	}
	testenv.Eventually(g.t, testenv.Wait, "ready: the gateway", func() bool {
		resp, err := g.client.Get(scheme + g.addr + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, g.log.String)
}

// kill ends the process as kill -9 does.
func (g *gatewayProcess) kill() {
	if g.cmd != nil && g.cmd.ProcessState == nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait() // it was killed
	}
}

// run runs a command of the gateway.
func run(t *testing.T, env map[string]string, args ...string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(testenv.Context(t), path, args...)
	cmd.Dir, cmd.Env = t.TempDir(), []string{"XDG_STATE_HOME=" + t.TempDir()}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gateway %v: %v\n%s", args, err, out)
	}
}

// write replaces a file in one step, as Prometheus and the gateway watch it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
