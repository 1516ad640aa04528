package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/testenv"
)

// attempts requests the list of the attempts of a sink.
func (r *running) attempts(sink string) (list delivery.AttemptList) {
	r.t.Helper()
	r.getJSON("/api/components/sink/"+sink+"/attempts", &list)
	return list
}

// attempt requests one attempt.
func (r *running) attempt(sink, id string) (v delivery.AttemptView) {
	r.t.Helper()
	r.getJSON("/api/components/sink/"+sink+"/attempts/"+id, &v)
	return v
}

func (r *running) getJSON(path string, into any) {
	r.t.Helper()
	status, body := r.get(path)
	if err := json.Unmarshal([]byte(body), into); status != http.StatusOK || err != nil {
		r.t.Fatalf("%s: %d, %v: %.300s", path, status, err, body)
	}
}

// post sends a request with the secret of the gateway.
func (r *running) post(path string) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequest("POST", "http://127.0.0.1:"+r.port+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = authorization(r.secret())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// hookRequests are the requests that a receiver has got.
type hookRequests struct {
	mu  sync.Mutex
	all []*http.Request
}

func (h *hookRequests) add(r *http.Request) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, r)
	return len(h.all)
}

func (h *hookRequests) ids() (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.all {
		ids = append(ids, r.Header.Get("Webhook-Id"))
	}
	return ids
}

// TestAttemptsOfWebhook proves that operators see each attempt with its request and answer, without secrets also if the receiver repeats
// them, that an event is sent again with the same ID, and that all events are counted.
func TestAttemptsOfWebhook(t *testing.T) {
	t.Parallel()
	const password, value = "Pass-planted-88", "Value-planted-99"
	var got hookRequests
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := got.add(r)
		w.Header().Set("X-Repeated", r.Header.Get("X-Shop"))
		w.Header().Set("Set-Cookie", "session=1")
		if n == 1 {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, "<img src=x onerror=alert(1)> %s %s %s", r.Header.Get("X-Shop"), r.Header.Get("Authorization"), r.Header.Get("Webhook-Signature"))
			return
		}
		_, _ = w.Write([]byte{0xff, 0xfe, 'x'})
	}))
	defer receiver.Close()
	url := strings.Replace(receiver.URL, "http://", "http://user:"+password+"@", 1) + "/private-path-77"
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 0, count: 1, key: "'row'"}}
sinks:
  shop: {type: webhook, url: %q, path: "/orders/{{ number }}", allow: [127.0.0.1], secrets: [%s], headers: {X-Shop: %s}, retry: {initial: 1ms}, best_effort: true}
  log: {type: stdout}
routes: {all: {from: [made], to: [shop]}, other: {from: [made], to: [log]}}
`, url, webhookKey, value)), nil)
	testenv.Eventually(t, testenv.Wait, "the delivery", func() bool { return r.sink("shop").Delivered == 1 })
	list := r.attempts("shop")
	if len(list.Attempts) != 2 {
		t.Fatalf("%+v", list)
	}
	first, second := list.Attempts[1], list.Attempts[0]
	if first.Status != 404 || first.Outcome != delivery.AttemptFailed || first.Next == nil || first.Number != 1 || !strings.Contains(first.Error, "404") || first.Request != nil || first.Event.Payload != "" {
		t.Errorf("the first attempt: %+v", first)
	}
	if second.Status != 200 || second.Outcome != delivery.AttemptDelivered || second.Next != nil || second.Number != 2 || second.Error != "" || !second.Sendable {
		t.Errorf("the second attempt: %+v", second)
	}
	if want := "POST " + receiver.URL + "/***/orders/0"; first.Target != want {
		t.Errorf("the target is %s, want %s", first.Target, want)
	}

	whole := r.attempt("shop", first.ID)
	header := func(m *delivery.MessageView, name string) (value string) {
		for _, h := range m.Header {
			if h.Name == name {
				value = h.Value
			}
		}
		return value
	}
	for name, want := range map[string]string{"X-Shop": "***", "Authorization": "***", "Webhook-Signature": "***", "Webhook-Id": "made-0", "Webhook-Attempt-Id": first.ID} {
		if got := header(whole.Request, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if header(whole.Answer, "Set-Cookie") != "***" || !strings.Contains(whole.Answer.Body, "<img src=x onerror=alert(1)> ***") || !strings.Contains(whole.Request.Body, `"number"`) || whole.Event.Payload != whole.Request.Body {
		t.Errorf("%+v, %+v", whole.Request, whole.Answer)
	}
	if answer := r.attempt("shop", second.ID).Answer; answer.Encoding != "base64" || answer.Body != "//54" {
		t.Errorf("an answer that is not UTF-8: %+v", answer)
	}
	text, _ := json.Marshal([]any{list, whole})
	for _, secret := range []string{password, value, "private-path", webhookKey[6:], got.all[0].Header.Get("Webhook-Signature"), got.all[0].Header.Get("Authorization")} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}

	status, body := r.post("/api/components/sink/shop/attempts/" + first.ID + "/send-again")
	var again delivery.AttemptView
	if err := json.Unmarshal([]byte(body), &again); status != 200 || err != nil || again.Outcome != delivery.AttemptDelivered || again.Status != 200 || again.ID == first.ID {
		t.Fatalf("sent again: %d, %v, %s", status, err, body)
	}
	if ids := got.ids(); strings.Join(ids, " ") != "made-0 made-0 made-0" {
		t.Errorf("the receiver got %v", ids)
	}
	testenv.Eventually(t, testenv.Wait, "the count of the event", func() bool { return r.sink("shop").Delivered == 2 && r.sink("shop").In == 2 })
	for path, want := range map[string]int{"shop/attempts/none/send-again": 404, "log/attempts/x/send-again": 404, "none/attempts/x/send-again": 404} {
		if status, body := r.post("/api/components/sink/" + path); status != want {
			t.Errorf("%s: %d, want %d: %s", path, status, want, body)
		}
	}
	if page, _ := r.componentPage("sink/shop"); strings.Join(page.Lists, "") != "attempts" || strings.Join(r.sink("shop").Lists, "") != "attempts" || len(r.sink("log").Lists) != 0 {
		t.Errorf("lists: %v", page.Lists)
	}
	r.stop() // which checks the conservation law
}

// TestAttemptsHideWhatRoutesHide proves that the attempts of a sink for dead letters show no field that the route masks.
func TestAttemptsHideWhatRoutesHide(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.Copy(w, r.Body)
	}))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 0, count: 1, template: '{"card": "4111-planted", "n": 1}'}}
transforms:
  check: {type: schema, schema: {type: object, required: [missing]}}
  hide: {type: mask, fields: [card]}
sinks:
  parked: {type: webhook, url: %q, path: "/{{ card }}", headers: {X-Card: "{{ card }}"}, allow: [127.0.0.1]}
  log: {type: stdout}
routes: {all: {from: [made], through: [check, hide], to: [log], dead_letter: parked}}
`, receiver.URL)), nil)
	testenv.Eventually(t, testenv.Wait, "an attempt", func() bool { return len(r.attempts("parked").Attempts) > 0 })
	list := r.attempts("parked")
	whole := r.attempt("parked", list.Attempts[0].ID)
	text, _ := json.Marshal([]any{list, whole})
	if strings.Contains(string(text), "4111") || whole.Request.Hidden != tap.HiddenReason || whole.Error != tap.HiddenReason || !strings.Contains(whole.Event.Payload, `"n": 1`) {
		t.Errorf("%s", text)
	}
}

// TestAttemptsAreBounded proves that a sink stores the latest 200 attempts, and few bytes of large events.
func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources:
  small: {type: generate, rate: 0, count: 250}
  large: {type: generate, rate: 0, count: 30, size: 250000}
  huge: {type: generate, rate: 0, count: 1, size: 300000}
sinks:
  few: {type: webhook, url: %[1]q, allow: [127.0.0.1], best_effort: true}
  big: {type: webhook, url: %[1]q, allow: [127.0.0.1], best_effort: true}
  all: {type: webhook, url: %[1]q, allow: [127.0.0.1], best_effort: true}
routes: {a: {from: [small], to: [few]}, b: {from: [large], to: [big]}, c: {from: [huge], to: [all]}}
`, receiver.URL)), nil)
	testenv.Eventually(t, testenv.Wait, "the deliveries", func() bool {
		return r.sink("few").Delivered == 250 && r.sink("big").Delivered == 30 && r.sink("all").Delivered == 1
	})
	if list := r.attempts("few").Attempts; len(list) != 200 || list[0].Event.ID != "small-249" || list[199].Event.ID != "small-50" {
		t.Errorf("%d attempts", len(list))
	}
	if list := r.attempts("big").Attempts; len(list) != 16 {
		t.Errorf("%d attempts of large events, want as many as 4 MiB hold", len(list))
	}
	huge := r.attempts("all").Attempts[0]
	if huge.Sendable || huge.Event.Hidden == "" {
		t.Errorf("%+v", huge)
	}
	if status, body := r.post("/api/components/sink/all/attempts/" + huge.ID + "/send-again"); status != http.StatusConflict {
		t.Errorf("%d: %s", status, body)
	}
}

// TestAttemptsCommand proves that the command lists attempts, prints one, and sends its event again.
func TestAttemptsCommand(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, "\x1b[2Jno")
	}))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 0, count: 1}}
sinks: {shop: {type: webhook, url: %q, allow: [127.0.0.1], best_effort: true}, browsers: {type: websocket}}
routes: {all: {from: [made], to: [shop, browsers]}}
`, receiver.URL)), nil)
	testenv.Eventually(t, testenv.Wait, "a dead letter", func() bool { return r.sink("shop").DeadLettered == 1 })
	id := r.attempts("shop").Attempts[0].ID
	call := func(args ...string) (string, error) {
		t.Helper()
		return commandLine(t, map[string]string{"GATEWAY_TOKEN": r.secret()}, append(args, "--url", "http://127.0.0.1:"+r.port+"/")...)
	}
	if out, err := call("attempts", "shop"); err != nil || !strings.Contains(out, id) || !strings.Contains(out, "given_up") || strings.Contains(out, "\x1b") {
		t.Errorf("%v: %q", err, out)
	}
	if out, err := call("attempts", "show", "shop", id); err != nil || !strings.Contains(out, `"Webhook-Id"`) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := call("attempts", "send-again", "shop", id); err == nil || !strings.Contains(out, "given_up") || !strings.Contains(err.Error(), "422") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := call("attempts", "show", "shop", "none"); err == nil || !strings.Contains(err.Error(), "no such attempt") {
		t.Error(err)
	}
	c := r.dial()
	testenv.Eventually(t, testenv.Wait, "a client", func() bool { return r.clients("browsers", "").Total == 1 })
	client := r.clients("browsers", "").Clients[0]
	if out, err := call("clients", "browsers", "--search", "127"); err != nil || !strings.Contains(out, client.ID+"   127.0.0.1") || !strings.Contains(out, "1 of 1 clients") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := call("clients", "disconnect", "browsers", client.ID, "--reconnect"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for err := error(nil); err == nil; {
		if _, _, err = c.ReadMessage(); err != nil && !strings.Contains(err.Error(), "1012") {
			t.Errorf("ended with %v", err)
		}
	}
}
