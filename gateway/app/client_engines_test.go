package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"eventgateway/gateway/testenv"
	"eventgateway/web"
)

// engine runs the client: a page in Chromium, or Node.
type engine interface {
	run(t testing.TB, expression string) string // returns the value as JSON
	await(condition string)
}

// inEngines runs a test of the client in Chromium and in Node. The globals GatewayClient, parse and options are set.
func inEngines(t *testing.T, test func(t *testing.T, e engine)) {
	t.Run("chromium", func(t *testing.T) { test(t, openClientPage(t)) })
	t.Run("node", func(t *testing.T) { test(t, startNode(t)) })
}

// page is a page of a browser in which the client is loaded.
type page struct{ *browser }

func (p page) run(t testing.TB, expression string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 2*testenv.Wait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string]("(async () => JSON.stringify(await ("+expression+")) ?? 'null')()", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

const loadClient = `import("/client/index.js").then((client) => { Object.assign(window, client, { options: {} }); return true; })`

func openClientPage(t testing.TB) page {
	t.Helper()
	b := startBrowser(t, "")
	b.run(chromedp.Navigate(servePages(t)))
	p := page{b}
	p.run(t, loadClient)
	t.Cleanup(b.checkErrors)
	return p
}

// servePages serves the client at /client/, and an empty page elsewhere, as a shop would. It returns the URL.
func servePages(t testing.TB) string {
	t.Helper()
	files := web.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/client/") {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>shop</title>")
	}))
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// node is a Node.js process in which the client is loaded.
type node struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Reader
}

func startNode(t testing.TB) *node {
	t.Helper()
	cmd := exec.Command("node", "--experimental-websocket", "../../web/client/test/driver.mjs")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start Node: %v: run .ci/prepare", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("Node ended with: %v", err)
		}
	})
	return &node{t, in, bufio.NewReader(out)}
}

func (n *node) run(t testing.TB, expression string) string {
	t.Helper()
	if _, err := fmt.Fprintln(n.in, strings.ReplaceAll(expression, "\n", " ")); err != nil {
		t.Fatal(err)
	}
	line, err := n.out.ReadBytes('\n')
	var answer struct {
		Value json.RawMessage
		Error string
	}
	if err == nil {
		err = json.Unmarshal(line, &answer)
	}
	if err != nil || answer.Error != "" {
		t.Fatalf("%s: %v %s", expression, err, answer.Error)
	}
	return string(answer.Value)
}

func (n *node) await(condition string) {
	n.t.Helper()
	testenv.Eventually(n.t, testenv.Wait, condition, func() bool {
		if n.run(n.t, "!!("+condition+")") == "true" {
			return true
		}
		time.Sleep(5 * time.Millisecond)
		return false
	})
}
