package app

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// startPython runs the client in Python. It returns the lines of its output, and of its errors.
func startPython(t *testing.T, args ...string) (events, messages <-chan string) {
	t.Helper()
	cmd := exec.Command("python3", append([]string{"../../web/client/examples/client.py"}, args...)...)
	lines := func(pipe interface{ Read([]byte) (int, error) }, err error) chan string {
		if err != nil {
			t.Fatal(err)
		}
		c := make(chan string, 1000)
		go func() {
			defer close(c)
			for s := bufio.NewScanner(pipe); s.Scan(); {
				c <- s.Text()
			}
		}()
		return c
	}
	out, err := cmd.StdoutPipe()
	outLines := lines(out, err)
	errs, err := cmd.StderrPipe()
	errLines := lines(errs, err)
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start Python: %v: run .ci/prepare", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	return outLines, errLines
}

// TestPythonClientResumes proves that the client in Python gets every event once, though its connection is cut.
func TestPythonClientResumes(t *testing.T) {
	r := startGateway(t, writeConfig(t, shareConfig), nil)
	proxy, url := testenv.ProxyURL(t, "ws://127.0.0.1:"+r.port+"/")
	events, messages := startPython(t, url)
	testenv.Eventually(t, testenv.Wait, "a client", func() bool { return strings.Contains(r.metrics(), `gateway_websocket_clients{sink="out"} 1`) })
	for n := range 300 {
		if err := testenv.RedisClient(t).Publish(testenv.Context(t), "shared", n).Err(); err != nil {
			t.Fatal(err)
		}
		if n%100 == 50 {
			proxy.Cut()
		}
		if got := <-events; got != fmt.Sprint(n) {
			t.Fatalf("got %q, want %d", got, n)
		}
	}
	for len(messages) > 0 {
		if m := <-messages; strings.HasPrefix(m, "gap:") {
			t.Error(m)
		}
	}
}

// TestPythonClientReportsGaps proves that the client in Python reports the gaps that the gateway tells, sends an opaque
// position back, and shows rows that leave.
func TestPythonClientReportsGaps(t *testing.T) {
	s := startScript(t, nil)
	events, messages := startPython(t, s.url, "--channel", "a b", "--filter", "n > 1")
	c := s.accept()
	if c.query != "channel=a+b&filter=n+%3E+1" {
		t.Errorf("the query is %s", c.query)
	}
	c.control(`{"type":"welcome"}`, `{"type":"subscribed","epoch":"E","offset":"7-1","seen":2}`)
	c.payload("é")
	c.control(`{"type":"leave","message":{"old":1}}`, `{"type":"gap","source":"s","reason":"lost"}`)
	if got := []string{<-events, <-events, <-messages}; fmt.Sprint(got) != `[é leave: {"old": 1} gap: lost]` {
		t.Errorf("got %q", got)
	}
	c.conn.Close()
	<-messages // the next try
	c = s.accept()
	if c.query != "channel=a+b&filter=n+%3E+1&epoch=E&offset=7-1&seen=4" {
		t.Errorf("the query is %s", c.query)
	}
	c.control(`{"type":"subscribed","epoch":"F","offset":1,"seen":0,"recovered":false}`)
	if got := <-messages; got != "gap: events sent meanwhile are missing" {
		t.Errorf("got %q", got)
	}
}

// TestReactHookShowsRows proves that the hook shows the rows of a snapshot and their changes, in a stand-in for React
// that knows useMemo and useSyncExternalStore. It imports the client as a package.
func TestReactHookShowsRows(t *testing.T) {
	s := startScript(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"epoch":"E","offset":1,"seen":0}`+"\n"+`{"operation":"SNAPSHOT","new":{"id":1}}`+"\n"+`{"complete":true,"rows":1}`+"\n")
	})
	dir := t.TempDir()
	example, err := os.ReadFile("../../web/client/examples/react.js")
	if err != nil {
		t.Fatal(err)
	}
	client, err := filepath.Abs("../../web/client")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"hook.mjs":                        string(example),
		"node_modules/react/package.json": `{"type":"module","exports":"./index.js"}`,
		"node_modules/react/index.js":     `export const useMemo = (make) => make(); export const useSyncExternalStore = (subscribe, get) => { globalThis.unmount = subscribe(() => shown.push(JSON.stringify(get()))); return get(); };`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(client, filepath.Join(dir, "node_modules/eventgateway-client")); err != nil {
		t.Fatal(err)
	}
	n := startNode(t)
	n.run(t, fmt.Sprintf(`(globalThis.shown = [], globalThis.client = new GatewayClient(%q, options), import(%q).then(({ useRows }) => useRows(client, { snapshot: "orders" })))`, s.url, "file://"+filepath.Join(dir, "hook.mjs")))
	c := s.accept()
	c.control(`{"type":"subscribed","epoch":"E","offset":1,"seen":0,"recovered":true}`)
	c.payload(`{"operation":"INSERT","old":null,"new":{"id":2}}`, `{"operation":"UPDATE","old":{"id":1},"new":{"id":3}}`)
	c.control(`{"type":"leave","message":{"old":{"id":2},"new":null}}`)
	n.await(`shown.length === 4`)
	if got := n.run(t, `shown.join(" ")`); got != `"[{\"id\":1}] [{\"id\":1},{\"id\":2}] [{\"id\":2},{\"id\":3}] [{\"id\":3}]"` {
		t.Errorf("shown: %s", got)
	}
	n.run(t, `(unmount(), 0)`)
	c.expect(`{"type":"unsubscribe"}`)
	n.run(t, `(client.close(), 0)`)
}
