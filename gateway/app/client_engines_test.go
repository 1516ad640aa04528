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
	"sync"
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

// clientPage is a page of a browser in which the client is loaded.
type clientPage struct{ *browser }

func (p *clientPage) run(t testing.TB, expression string) string {
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

func openClientPage(t testing.TB) *clientPage {
	t.Helper()
	b := startBrowser(t, "")
	b.run(chromedp.Navigate(servePages(t).url))
	p := &clientPage{b}
	p.run(t, loadClient)
	t.Cleanup(b.checkErrors)
	return p
}

// shop serves pages that use the client.
type shop struct {
	url     string
	blocked chan struct{} // gets a value when a page requests /block
	release func()        // answers it
}

// servePages serves the client at /client/, a request without an answer at /block, and an empty page elsewhere.
func servePages(t testing.TB) *shop {
	t.Helper()
	files, done := web.Handler(), make(chan struct{})
	s := &shop{blocked: make(chan struct{}, 1), release: sync.OnceFunc(func() { close(done) })}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/client/"):
			files.ServeHTTP(w, r)
		case r.URL.Path == "/block":
			s.blocked <- struct{}{}
			<-done
		default:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!doctype html><title>shop</title>")
		}
	}))
	s.url = server.URL + "/"
	t.Cleanup(server.Close)
	t.Cleanup(s.release)
	return s
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
