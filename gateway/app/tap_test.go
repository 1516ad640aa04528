package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

const tapConfig = `
http:
  listen: "127.0.0.1:${PORT}"
  limits: {read: 1s, write: 1s}
  admin:
    users:
      reader: {password: "${READER}", role: read}
sources:
  orders: {type: generate, rate: 200, template: '{"id":{{ number }},"customer":{"name":"Ada","email":"ada@example.com"}}'}
transforms:
  stamp: {type: set, fields: {big: id > 10}, on_error: drop}
  hide: {type: mask, fields: [customer.email], on_error: drop}
  short: {type: map, fields: {id: id, who: customer.name}, on_error: drop}
sinks:
  out: {type: websocket}
routes:
  publish: {from: [orders], through: [stamp, hide, short], to: [out]}
`

// tapClient returns a client of the gateway's API.
func (r *running) tapClient(token string) *apiClient {
	base := "http://127.0.0.1:" + r.port
	return &apiClient{base: base, name: base, token: options.NewSecret(token), signs: true, client: http.DefaultClient}
}

// tap runs `gateway tap`, and returns what it prints.
func (r *running) tap(o tapOptions) (string, error) {
	r.t.Helper()
	var out, notes bytes.Buffer
	err := o.run(testenv.Context(r.t), r.tapClient(r.secret()), &out, &notes)
	return out.String(), err
}

// TestTapCommand proves what `gateway tap` prints of a route, a sink and a source: what transforms have changed, without what the route
// masks.
func TestTapCommand(t *testing.T) {
	t.Parallel()
	r := startGateway(t, writeConfig(t, tapConfig), map[string]string{"READER": hashOf(t, "r3ad"), "DATABASE_URL": "not used", "REDIS_URL": "not used"})
	text, err := r.tap(tapOptions{at: "publish", filter: "id > 20", count: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  route publish", `"email":"***"`, "  1        stamp (set)\n           + big: true\n", "  2        hide (mask)\n           ~ customer.email: \"***\" -> \"***\"\n",
		"  3        short (map)\n           - big: true\n           - customer: {", "           + who: \"Ada\"\n", "  =>       sent to out\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	if strings.Count(text, "=>") != 2 {
		t.Errorf("not two events:\n%s", text)
	}
	for _, at := range []string{"source.orders", "route.publish", "sink.out"} {
		line, err := r.tap(tapOptions{at: at, count: 1, json: true})
		if err != nil {
			t.Fatal(err)
		}
		var it tap.Item
		if err := json.Unmarshal([]byte(line), &it); err != nil || strings.Contains(line, "ada@") || it.Component != strings.Replace(at, ".", " ", 1) || len(it.Events) != 1 || it.Outcome == "" {
			t.Errorf("%s: %s, %v", at, line, err)
		}
	}
	for at, want := range map[string]string{"nothing": `there is no component "nothing": name one of dead_letters, route.publish, sink.out, source.orders`, "": "there is no component"} {
		if _, err := r.tap(tapOptions{at: at}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", at, err)
		}
	}
	for want, o := range map[string]tapOptions{"filter: wrong expression": {at: "publish", filter: "id >"}, "a filter cannot use": {at: "publish", filter: "map(1..2, # * 2)"}, "from 1 to 20": {at: "publish", limit: 21}} {
		if _, err := r.tap(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
	r.testTapAccess(t)
}

// testTapAccess proves that a tap needs a role, and that a user with the role read may look.
func (r *running) testTapAccess(t *testing.T) {
	api := "http://127.0.0.1:" + r.port + "/api/tap?at=publish"
	for name, c := range map[string]struct {
		header http.Header
		status int
	}{"no one": {nil, 401}, "wrong secret": {authorization("wrong"), 401}, "another site": {basic("reader", "r3ad", "Sec-Fetch-Site", "cross-site"), 401}} {
		if got := send(t, "GET", api, "", c.header).StatusCode; got != c.status {
			t.Errorf("%s: %d, want %d", name, got, c.status)
		}
	}
	ctx, cancel := context.WithCancel(testenv.Context(t))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", api, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = basic("reader", "r3ad")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the user reads: %s, %v", resp.Status, resp.Header)
	}
}

// TestTapEnds proves that a tap outlives http.limits, follows a reload, and ends with a reason: where its component or its user is
// removed, and where the gateway stops. Its number is bounded.
func TestTapEnds(t *testing.T) {
	t.Parallel()
	env := map[string]string{"READER": hashOf(t, "r3ad"), "DATABASE_URL": "not used", "REDIS_URL": "not used"}
	file := writeConfig(t, tapConfig)
	r := startGateway(t, file, env)
	env["PORT"] = r.port
	r.reloadable(file, env)
	ended := map[string]chan error{}
	begin := func(name string, o tapOptions, c *apiClient) {
		started, done := make(chan struct{}), make(chan error, 1)
		w := &firstWrite{first: started}
		go func() { done <- o.run(context.Background(), c, w, w) }()
		select {
		case <-started:
		case err := <-done:
			t.Fatalf("%s: %v", name, err)
		}
		ended[name] = done
	}
	begin("sink", tapOptions{at: "sink.out", json: true}, r.tapClient(r.secret()))
	begin("route", tapOptions{at: "route.publish"}, r.tapClient(r.secret()))
	reload := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.reload(testenv.Context(t), "test")
	}
	reload(strings.ReplaceAll(tapConfig, "publish:", "renamed:"))
	if err := <-ended["route"]; err == nil || err.Error() != "the tap has ended: the configuration has no route publish any more" {
		t.Errorf("the tap of a removed route: %v", err)
	}
	var more []*http.Response
	defer func() {
		for _, resp := range more {
			resp.Body.Close()
		}
	}()
	refused := false
	for range tap.MaxViewers + 1 {
		req, err := http.NewRequest("GET", "http://127.0.0.1:"+r.port+"/api/tap?"+url.Values{"at": {"renamed"}}.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = basic("reader", "r3ad")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, resp)
		if refused = resp.StatusCode == http.StatusServiceUnavailable; refused {
			break
		}
	}
	if !refused || len(more) != tap.MaxViewers { // one of them is the sink's
		t.Errorf("%d more viewers, refused %v", len(more), refused)
	}
	reload(strings.ReplaceAll(strings.ReplaceAll(tapConfig, "publish:", "renamed:"), "reader:", "other:"))
	text := &bytes.Buffer{}
	if _, err := text.ReadFrom(more[0].Body); err != nil || !strings.Contains(text.String(), "event: end\ndata: {\"reason\":\"the credentials are not valid any more\"}") {
		t.Errorf("the tap of a removed user ends with %v, %.300s", err, text.String()[max(0, text.Len()-300):])
	}
	r.stop()
	if err := <-ended["sink"]; err == nil || err.Error() != "the tap has ended: the gateway stops" {
		t.Errorf("the tap of a gateway that stops: %v", err)
	}
}

// firstWrite closes first at the first write.
type firstWrite struct{ first chan struct{} }

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.first != nil {
		close(w.first)
		w.first = nil
	}
	return len(p), nil
}

// TestTapTextIsSafe proves that the text of events does not control the terminal.
func TestTapTextIsSafe(t *testing.T) {
	evil := "\x1b[2J\n\u202e"
	v := tap.View{ID: evil, Source: evil, Channel: evil, Key: evil, Attrs: map[string]string{evil: evil}, Payload: evil, Hidden: ""}
	it := &tap.Item{Component: evil, Events: []tap.View{v}, Count: 3, Outcome: tap.Sent, Reason: evil, To: []string{evil}, Attempts: 2, Skipped: 7, Steps: []tap.Change{
		{Transform: evil, Type: evil, Before: &v, After: []tap.View{v}, Count: 5, Outcome: tap.Applied, Reason: evil, Changed: []tap.Difference{{Path: evil, Change: "changed", Before: evil, After: evil}}, More: 1}}}
	text := tapText(it)
	if strings.ContainsAny(text, "\x1b\u202e") || strings.Count(text, "\n") != 12 {
		t.Errorf("%d lines: %q", strings.Count(text, "\n"), text)
	}
	for _, want := range []string{"(7 skipped before)", "2 more events", "4 more events", "1 more fields", "failed attempts: 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing: %s", want, text)
		}
	}
	if err := (&tapOptions{}).print(strings.NewReader("event: counts\ndata: {\n\n"), &bytes.Buffer{}, &bytes.Buffer{}); err == nil || errors.Is(err, context.Canceled) {
		t.Error(fmt.Sprint("a malformed answer: ", err))
	}
}
