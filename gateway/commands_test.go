package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// runCommandIn runs a command with the port and the state of a gateway, in a folder, and returns what it printed.
func runCommandIn(t testing.TB, p *program, folder string, args ...string) (code int, out, errs string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(testenv.Context(t), path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &stdout, &stderr
	if p != nil {
		cmd.Env = append([]string{"PORT=" + p.port, "XDG_STATE_HOME=" + p.state}, p.cmd.Env...)
	} else {
		cmd.Env = []string{"XDG_STATE_HOME=" + folder}
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// statusConfig has a route that works, and one to a server that does not exist.
const statusConfig = `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 10}}
sinks:
  browsers: {type: websocket}
  nowhere: {type: redis-pub, url: "redis://127.0.0.1:1", channel: c, best_effort: true, queue: {size: 100, when_full: drop_oldest}}
routes:
  one: {from: [made], to: [browsers]}
  two: {from: [made], to: [nowhere]}
`

// TestStatusTellsHealth proves that `gateway status`, /api/status and /metrics tell what is wrong and since when, and
// that the exit status follows.
func TestStatusTellsHealth(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.yaml")
	writeFile(t, file, statusConfig)
	for _, c := range []struct {
		route, state string
		code         int
	}{{"one", "ok", 0}, {"one,two", "degraded", 3}, {"two", "down", 4}} {
		p := startBinary(t, nil, "-c", file, "--route", c.route)
		p.awaitReady()
		p.awaitMetric(`gateway_health{state="` + c.state + `"} 1`)
		code, out, errs := runCommandIn(t, p, folder, "status")
		if code != c.code || !strings.HasPrefix(out, strings.ToUpper(c.state)+"  gateway ") || !strings.Contains(out, "source made") || errs != "" {
			t.Errorf("routes %s: exit status %d, %s%s", c.route, code, out, errs)
		}
		if told := regexp.MustCompile(`sink nowhere, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(\w+\): down: .*connection refused`).MatchString(out); told != (c.code > 0) {
			t.Errorf("routes %s: the reason is missing, or too much: %s", c.route, out)
		}
		code, out, _ = runCommandIn(t, p, folder, "status", "--json")
		var status struct {
			Health struct {
				State   string
				Reasons []struct{ Component, Since, Text string }
			}
		}
		if err := json.Unmarshal([]byte(out), &status); err != nil || code != c.code || status.Health.State != c.state || (len(status.Health.Reasons) > 0) != (c.code > 0) {
			t.Errorf("routes %s: exit status %d, %v, %+v", c.route, code, err, status)
		}
		p.cmd.Process.Kill()
	}
}

// TestAPICommandsNameWhatIsWrong proves that the commands tell a gateway that is not there from a secret that is
// wrong, and that they send no secret on.
func TestAPICommandsNameWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.yaml")
	writeFile(t, file, strings.Replace(statusConfig, `{listen: ":${PORT}"}`, `{listen: ":${PORT}", admin: {token: "${ADMIN_TOKEN}"}}`, 1))
	const token = "s3cret-of-operators"
	p := startBinary(t, map[string]string{"ADMIN_TOKEN": token}, "-c", file, "--route", "one")
	p.awaitReady()
	url := "http://127.0.0.1:" + p.port
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"status", 0, "OK"}, // the variable of the configuration has the secret
		{"status --url " + url + "/ --token " + token, 0, "OK"},
		{"status --url " + url, 1, "needs its secret: set GATEWAY_TOKEN"},
		{"top -n 1 --url " + url + " --token wrong", 0, "refuses the secret"},
		{"reload --url " + url + " --token wrong", 1, "refuses the secret"},
		{"dead-letters --url " + url + "/elsewhere --token " + token, 1, "/api/dead-letters does not exist: check --url"},
		{"status --url http://127.0.0.1:1", 1, "no gateway runs at http://127.0.0.1:1"},
		{"status --url redis://127.0.0.1", 1, "--url is not the URL of a gateway"},
		{"status -c none.yaml", 1, "none.yaml: cannot be read"},
	} {
		code, out, errs := runCommandIn(t, p, folder, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.want) || strings.Contains(out+errs, token) {
			t.Errorf("%s: exit status %d\n%s%s", c.args, code, out, errs)
		}
	}
}

// TestReloadCommand proves that `gateway reload` prints the result of a reload, that a page of another origin cannot ask for one,
// and that it needs the secret.
func TestReloadCommand(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.yaml")
	writeFile(t, file, statusConfig)
	p := startBinary(t, nil, "-c", file, "--route", "one")
	p.awaitReady()
	if code, out, errs := runCommandIn(t, p, folder, "reload"); code != 0 || out != "configuration reloaded\n" {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	p.awaitLog(`"msg":"configuration reloaded","reason":"request of /api/reload"`)
	writeFile(t, file, strings.Replace(statusConfig, "http: {listen: ", "http: {base_path: /x/, listen: ", 1))
	if code, out, errs := runCommandIn(t, p, folder, "reload"); code != 0 || !strings.Contains(out, "restart needed for changed settings: http.base_path") {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	writeFile(t, file, strings.Replace(statusConfig, "type: generate", "type: generat", 1))
	code, out, errs := runCommandIn(t, p, folder, "reload")
	if want := `gateway.yaml:3:24: sources.made.type: unknown source type "generat" (did you mean "generate"?)`; code != 1 || out != "" || !strings.Contains(errs, want) || !strings.HasSuffix(errs, "the reload failed, the running configuration stays\n") {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	if code, out, _ := runCommandIn(t, p, folder, "status"); code != 3 || !strings.Contains(out, "configuration, since ") {
		t.Errorf("after a failed reload: exit status %d, %s", code, out)
	}
	for name, c := range map[string]struct {
		header map[string]string
		want   int
	}{
		"another site":   {map[string]string{"Authorization": "Bearer " + p.secret(), "Sec-Fetch-Site": "cross-site"}, 403},
		"another origin": {map[string]string{"Authorization": "Bearer " + p.secret(), "Origin": "http://evil.example"}, 403},
		"no secret":      {nil, 401},
		"the page":       {map[string]string{"Authorization": "Bearer " + p.secret(), "Sec-Fetch-Site": "same-origin"}, 422},
	} {
		req, err := http.NewRequest("POST", "http://127.0.0.1:"+p.port+"/api/reload", nil)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range c.header {
			req.Header.Set(key, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", name, resp.Status, c.want)
		}
	}
}

// TestTopPrintsLines proves that `gateway top` prints a line each second in a pipe, also where the gateway is gone.
func TestTopPrintsLines(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "gateway.yaml"), statusConfig)
	p := startBinary(t, nil, "-c", filepath.Join(folder, "gateway.yaml"), "--route", "one")
	p.awaitReady()
	dial(t, p)
	code, out, errs := runCommandIn(t, p, folder, "top", "-n", "3")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 3 || errs != "" {
		t.Fatalf("exit status %d, %s%s", code, out, errs)
	}
	for i, line := range lines {
		m := regexp.MustCompile(`^\S+Z state=ok in=(\d+)/s out=\d+/s queued=\d+ in_flight=\d+ errors=0 dead_letters=0 clients=1$`).FindStringSubmatch(line)
		if m == nil || (i == 0) != (m[1] == "0") {
			t.Errorf("line %d: %s", i, line)
		}
	}
	p.cmd.Process.Kill()
	<-p.exited
	if code, out, _ := runCommandIn(t, p, folder, "top", "-n", "1"); code != 0 || !strings.Contains(out, "state=unknown error=\"no gateway runs at") {
		t.Errorf("exit status %d, %s", code, out)
	}
}
