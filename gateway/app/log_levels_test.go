package app

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

const levelsConfig = `
http:
  listen: "127.0.0.1:${PORT}"
  admin:
    token: a secret of sixteen bytes
    users: {reader: {password: "${READER}", role: read}}
log: {level: warn, components: {made: info}}
sources: {made: {type: generate, rate: 1}}
sinks: {kept: {type: file, path: "${DIR}/kept"}}
routes: {all: {from: [made], to: [kept]}}
`

// TestLogLevels proves that components have levels of their own, and that the role admin changes levels until the next reload.
func TestLogLevels(t *testing.T) {
	env := map[string]string{"READER": hashOf(t, "r3ad"), "DIR": t.TempDir()}
	file := writeConfig(t, levelsConfig)
	r := startGateway(t, file, env)
	r.awaitSinks()
	for component, want := range map[string]bool{"source=made": true, "sink=kept": false} {
		if got := strings.Contains(r.said.String(), `msg="component up" `+component); got != want {
			t.Errorf("%s logs with level info: %v\n%s", component, got, r.said.String())
		}
	}
	api, token := "http://127.0.0.1:"+r.port+"/api/log-level", authorization("a secret of sixteen bytes")
	evil := http.Header{"Authorization": token["Authorization"], "Origin": {"https://evil.example"}}
	for _, c := range []struct {
		method, query string
		header        http.Header
		status        int
		answer        string
	}{
		{"GET", "", basic("reader", "r3ad"), 200, `{"level":"warn","components":{"made":"info"}}`},
		{"POST", "?level=debug", basic("reader", "r3ad"), 403, "needs the role admin"},
		{"POST", "?level=debug", evil, 403, "another site"},
		{"POST", "?level=debug", nil, 401, "the secret is required"},
		{"POST", "?level=loud", token, 422, `log level "loud" is none of`},
		{"POST", "?level=debug&component=nowhere", token, 422, `there is no component "nowhere"`},
		{"POST", "?level=debug&component=kept", token, 200, `{"level":"warn","components":{"kept":"debug","made":"info"}}`},
		{"POST", "?level=error", token, 200, `{"level":"error","components":{"kept":"debug","made":"info"}}`},
	} {
		req, err := http.NewRequest(c.method, api+c.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = c.header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := strings.Join(strings.Fields(string(body)), " "); resp.StatusCode != c.status || !strings.Contains(strings.ReplaceAll(got, " ", ""), strings.ReplaceAll(c.answer, " ", "")) {
			t.Errorf("%s %s: %s %s, want %d %s", c.method, c.query, resp.Status, got, c.status, c.answer)
		}
	}
	env["PORT"] = r.port
	r.reloadable(file, env)
	r.reload(testenv.Context(t), "test")
	url := "http://127.0.0.1:" + r.port
	for _, c := range []struct{ args, want string }{
		{"log-level", "warn\nmade: info\n"},
		{"log-level debug --component all", "warn\nall: debug\nmade: info\n"},
		{"log-level error", "error\nall: debug\nmade: info\n"},
	} {
		args := append(strings.Fields(c.args), "--url", url, "--token", "a secret of sixteen bytes")
		if out, err := commandLine(t, nil, args...); err != nil || out != c.want {
			t.Errorf("%s: %v: %q, want %q", c.args, err, out, c.want)
		}
	}
	if _, err := commandLine(t, nil, "log-level", "--component", "kept", "--url", url); err == nil {
		t.Error("a component without a level is accepted")
	}
}

// TestLevelsThatDoNotExist proves that only the four levels are accepted, and not all that slog knows.
func TestLevelsThatDoNotExist(t *testing.T) {
	for _, level := range []string{"loud", "INFO+1", "Warn", ""} {
		if _, err := parseLevel(level); err == nil {
			t.Errorf("%q is a level", level)
		}
	}
}
