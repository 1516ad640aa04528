package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// TestTermDrainsAndExits proves that SIGTERM closes clients with code 1012 and ends the gateway with status 0.
func TestTermDrainsAndExits(t *testing.T) {
	p := startBinary(t, realServers(t), "-c", absolute(t, "gateway.yaml"))
	p.awaitReady()
	conn := dial(t, p)
	read(t, conn)
	p.cmd.Process.Signal(syscall.SIGTERM)
	_, _, err := conn.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
		t.Errorf("the client ended with %v, want close code 1012", err)
	}
	if code := p.exit(5 * time.Second); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestStoppedIsLastLogLine proves that nothing is logged behind "stopped", also if an incomplete request delays the
// stop of HTTP.
func TestStoppedIsLastLogLine(t *testing.T) {
	p := startBinary(t, realServers(t), "-c", absolute(t, "gateway.yaml"))
	p.awaitReady()
	conn, err := net.Dial("tcp", "127.0.0.1:"+p.port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n")); err != nil {
		t.Fatal(err)
	}
	p.get("/healthz") // so that the connection before was accepted
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit(testenv.Wait)
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	for i, line := range lines {
		if strings.Contains(line, `"msg":"stopped"`) != (i == len(lines)-1) {
			t.Errorf("line %d of %d is %s", i+1, len(lines), line)
		}
	}
}

// TestSecondSignalExitsAtOnce proves that a second SIGTERM ends a gateway that drains, here to a webhook that does not
// answer.
func TestSecondSignalExitsAtOnce(t *testing.T) {
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-release
	}))
	defer hook.Close()
	defer close(release)
	env := realServers(t)
	env["WEBHOOK_URL"] = hook.URL
	p := startBinary(t, env, "-c", absolute(t, "configs/orders-webhook.yaml"))
	p.awaitLeading()
	order(t, "Ada", "1")
	<-arrived
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.awaitLog("another signal exits at once")
	if status, _ := p.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d while draining", status)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(2 * time.Second); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
}

// TestPortInUse proves that a port in use is an error with a sink that serves clients, and a warning without one.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	env := realServers(t)
	env["PORT"] = port

	deliver := startBinary(t, env, "-c", absolute(t, "gateway.yaml"))
	if code := deliver.exit(testenv.Wait); code != 1 || !strings.Contains(deliver.stderr.String(), ":"+port) {
		t.Errorf("exit status %d: %s", code, deliver.stderr.String())
	}

	publish := startBinary(t, env, "-c", absolute(t, "gateway.yaml"), "--route", "publish")
	publish.awaitLog("gateway ready")
	if !strings.Contains(publish.stderr.String(), `"level":"WARN","msg":"port in use, running without`) {
		t.Errorf("no warning: %s", publish.stderr.String())
	}
}

// TestCheckExitStatus proves that check exits with 0 for a right file, 1 for a wrong one, and 2 for a wrong command line.
func TestCheckExitStatus(t *testing.T) {
	good := startBinary(t, map[string]string{"DATABASE_URL": "postgres://db/orders", "REDIS_URL": "redis://bus"}, "check", "-c", absolute(t, "gateway.yaml"))
	if code := good.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d of a right file: %s", code, good.stderr.String())
	}
	bad := startBinary(t, map[string]string{"DATABASE_URL": "postgres://db/orders"}, "check", "-c", absolute(t, "gateway.yaml"))
	if code := bad.exit(testenv.Wait); code != 1 || !strings.Contains(bad.stderr.String(), "gateway.yaml:") {
		t.Errorf("exit status %d of a wrong file: %s", code, bad.stderr.String())
	}
	misused := startBinary(t, nil, "--nonsense")
	if code := misused.exit(testenv.Wait); code != 2 {
		t.Errorf("exit status %d of a wrong command line", code)
	}
}

// TestClosedOutputFailsOneSink proves that a closed standard output fails the sink stdout, and that the other route
// delivers.
func TestClosedOutputFailsOneSink(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 200}}
sinks: {out: {type: stdout, best_effort: true}, browsers: {type: websocket}}
routes: {shown: {from: [made], to: [out]}, sent: {from: [made], to: [browsers]}}
`)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := startCommand(t, nil, exec.Command("bash", "-c", `exec "$0" "$@" > >(head -n 1)`, path, "-c", file))
	p.awaitLog("broken pipe")
	conn := dial(t, p)
	for range 100 {
		read(t, conn)
	}
	stopProgram(t, p)
}
