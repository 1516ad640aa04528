package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) {
	testenv.Main(m, func() {
		if dir, err := built(); err == nil {
			os.RemoveAll(dir)
		}
	})
}

// binary builds the program once, as a release does, and returns its path.
var binary = sync.OnceValues(func() (string, error) { return build("gateway", ".") })

// built is the folder of the programs.
var built = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "gateway-binary") })

// build builds the program in a folder of its module.
func build(name, dir string, flags ...string) (string, error) {
	to, err := built()
	if err != nil {
		return "", err
	}
	path := filepath.Join(to, name)
	cmd := exec.Command("go", append(append([]string{"build", "-C", dir, "-trimpath", "-o", path}, flags...), ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", &buildError{string(out)}
	}
	return path, nil
}

type buildError struct{ output string }

func (e *buildError) Error() string { return "go build: " + e.output }

// program is a gateway in a process of its own.
type program struct {
	t      testing.TB
	cmd    *exec.Cmd
	port   string
	state  string      // folder of its secret
	lines  chan string // of its standard output
	stderr testenv.Log
	exited chan struct{} // closed
}

// startBinary starts the program with args, in the environment of [startCommand].
func startBinary(t testing.TB, env map[string]string, args ...string) *program {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return startCommand(t, env, exec.Command(path, args...))
}

// startCommand starts the program by a command. Its environment is env, a port, and a
// folder for its secret.
func startCommand(t testing.TB, env map[string]string, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, state: t.TempDir(), lines: make(chan string, 1000), exited: make(chan struct{})}
	p.port = strconv.Itoa(testenv.FreePort(t))
	p.cmd.Env = []string{"PORT=" + p.port, "XDG_STATE_HOME=" + p.state}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Dir = t.TempDir() // without an .env
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	go func() { <-read; p.cmd.Wait(); close(p.exited) }() // exit reads the state of the process
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		for ended := false; !ended; { // until its port and its sessions are free
			select {
			case <-p.lines: // else the reader of the output blocks
			case <-p.exited:
				ended = true
			}
		}
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(cmd.Args, " "), p.stderr.String())
		}
	})
	return p
}

// awaitReady waits until /readyz answers 200.
func (p *program) awaitReady() {
	p.t.Helper()
	testenv.Eventually(p.t, testenv.Wait, "ready", func() bool {
		select {
		case <-p.exited:
			p.t.Fatalf("the gateway ended: %v\n%s", p.cmd.ProcessState, p.stderr.String())
		default:
		}
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	}, p.stderr.String)
}

// awaitLeading waits until the gateway is ready and captures. PostgreSQL may need a moment to
// notice that the killed gateway of an earlier test has ended.
func (p *program) awaitLeading() {
	p.t.Helper()
	p.awaitReady()
	p.awaitMetric(`gateway_leader{leader="orders_publisher",source="orders_db"} 1`)
}

// get requests a path, with the secret where it needs one. It returns 0 where the gateway does not answer.
func (p *program) get(path string) (status int, body string) {
	req, err := http.NewRequest("GET", "http://127.0.0.1:"+p.port+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if strings.HasPrefix(path, "/api/") {
		req.Header.Set("Authorization", "Bearer "+p.secret())
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(b)
}

// secret returns the secret of /api of a gateway that listens on all addresses.
func (p *program) secret() string {
	p.t.Helper()
	text, err := os.ReadFile(p.secretFile())
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (p *program) secretFile() string {
	return filepath.Join(p.state, "eventgateway", "secret-all-"+p.port)
}

// awaitLog waits until the program has logged text.
func (p *program) awaitLog(text string) {
	p.t.Helper()
	testenv.Eventually(p.t, testenv.Wait, fmt.Sprintf("logged: %q", text), func() bool { return strings.Contains(p.stderr.String(), text) }, p.stderr.String)
}

// awaitMetric waits until /metrics has a line.
func (p *program) awaitMetric(line string) {
	p.t.Helper()
	var body string
	testenv.Eventually(p.t, testenv.Wait, fmt.Sprintf("in /metrics: %q", line), func() bool {
		_, body = p.get("/metrics")
		return containsLine(body, line)
	}, func() string { return body })
}

// line returns the next line of standard output.
func (p *program) line() string {
	p.t.Helper()
	select {
	case l := <-p.lines:
		return l
	case <-time.After(testenv.Wait):
		p.t.Fatalf("no output; stderr:\n%s", p.stderr.String())
	}
	return ""
}

// exit waits for the end and returns the exit status.
func (p *program) exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.t.Fatalf("still running after %v; stderr:\n%s", within, p.stderr.String())
	}
	return -1
}

func containsLine(text, line string) bool { return strings.Contains("\n"+text, "\n"+line+"\n") }
