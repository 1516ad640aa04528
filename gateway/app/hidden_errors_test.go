package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventgateway/gateway/internal/tap"
	"eventgateway/gateway/testenv"
)

// TestErrorsHideMaskedFields proves that the role read sees no error which quotes a field that the route masks: neither of the route nor of
// the sink that gets its dead letters, in the status, on the pages of components and in the timeline. The role admin sees all of them, and the
// role read those of a route that masks nothing.
func TestErrorsHideMaskedFields(t *testing.T) {
	t.Parallel()
	const secret, open = "4111-SECRET-1", "open-value-2"
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		http.Error(w, "cannot store "+string(body), http.StatusGone)
	}))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
shutdown_timeout: 1s
http:
  listen: "127.0.0.1:${PORT}"
  admin: {users: {reader: {password: "${READER}", role: read}, boss: {password: "${BOSS}", role: admin}}}
sources:
  cards: {type: generate, rate: 0, count: 3, template: '{"card":"%s-{{ number }}"}'}
  plain: {type: generate, rate: 0, count: 3, template: '{"card":"%s"}'}
transforms:
  calc: {type: set, fields: {n: int(card)}}
  lost: {type: set, fields: {n: int(card)}, on_error: drop}
  msk: {type: mask, fields: [card]}
sinks:
  out: {type: websocket}
  parked: {type: webhook, url: %q, allow: [127.0.0.1], secrets: [%s], retry: {initial: 1ms, max: 10ms}}
routes:
  masked: {from: [cards], through: [calc, msk], to: [out], dead_letter: parked}
  unmasked: {from: [plain], through: [lost], to: [out]}
`, secret, open, receiver.URL, webhookKey)), map[string]string{"READER": hashOf(t, "r3ad"), "BOSS": hashOf(t, "b0ss")})
	as := func(name, password, path string) string {
		req, err := http.NewRequest("GET", "http://127.0.0.1:"+r.port+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = basic(name, password)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v: %s", path, answer.Status, err, body)
		}
		return string(body)
	}
	paths := []string{"/api/status", "/api/timeline", "/api/components/route/masked", "/api/components/sink/parked"}
	testenv.Eventually(t, testenv.Wait, "errors with the value everywhere", func() bool {
		for _, path := range paths {
			if !strings.Contains(as("boss", "b0ss", path), secret) {
				return false
			}
		}
		return strings.Contains(as("boss", "b0ss", "/api/components/route/masked"), secret+"-2") && strings.Contains(as("boss", "b0ss", "/api/status"), open)
	})
	for _, path := range paths {
		if text := as("reader", "r3ad", path); strings.Contains(text, secret) || !strings.Contains(text, tap.HiddenReason) {
			t.Errorf("%s for the role read: %s", path, text)
		}
	}
	if text := as("reader", "r3ad", "/api/timeline"); !strings.Contains(text, "disabled by its receiver: "+tap.HiddenReason) {
		t.Errorf("the timeline does not say that the sink is disabled: %s", text)
	}
	if text := as("reader", "r3ad", "/api/components/route/masked"); strings.Count(text, tap.HiddenReason) != 2 || !strings.Contains(text, `"count": 3`) { // of the health, and one failure
		t.Errorf("the hidden failures are not one: %s", text)
	}
	for _, path := range []string{"/api/status", "/api/components/route/unmasked"} {
		if !strings.Contains(as("reader", "r3ad", path), open) {
			t.Errorf("%s hides an error of a route that masks nothing", path)
		}
	}
}
