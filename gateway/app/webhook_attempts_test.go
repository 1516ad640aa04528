package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/testenv"
)

// TestAttemptsHaveIDs proves that the log has the ID of each attempt that a receiver gets, at level debug of the sink. At the default
// level, the line about a failed attempt has it. A dead letter has the ID of the last attempt.
func TestAttemptsHaveIDs(t *testing.T) {
	var mu sync.Mutex
	var ids []string // as the receiver gets them
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, r.Header.Get("Webhook-Attempt-Id"))
		if len(ids) > 1 {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer receiver.Close()
	r := startGateway(t, writeConfig(t, fmt.Sprintf(`
http: {listen: "127.0.0.1:${PORT}", admin: {listen: "127.0.0.1:%d"}}
log: {components: {shop: debug}}
sources: {made: {type: generate, rate: 0, count: 2}}
sinks: {shop: {type: webhook, url: %q, allow: [127.0.0.1], retry: {attempts: 2, initial: 1ms}, best_effort: true}}
routes: {all: {from: [made], to: [shop]}}
`, testenv.FreePort(t), receiver.URL)), nil)
	testenv.Eventually(t, testenv.Wait, "a dead letter", func() bool { return r.sink("shop").DeadLettered == 1 })
	mu.Lock()
	defer mu.Unlock()
	if len(ids) != 3 {
		t.Fatalf("%d attempts", len(ids))
	}
	text := r.said.String()
	for i, id := range ids {
		rest := []string{"id=made-0 status=200", "id=made-1 status=404", "id=made-1 status=404"}[i]
		if want := fmt.Sprintf(`msg="attempt ended" sink=shop attempt_id=%s %s`, id, rest); strings.Count(text, want) != 1 {
			t.Errorf("%s is not in the log:\n%s", want, text)
		}
	}
	for msg, id := range map[string]string{"event delayed": ids[1], "event not delivered": ids[2]} {
		found := false
		for line := range strings.Lines(text) {
			found = found || strings.Contains(line, fmt.Sprintf("msg=%q", msg)) && strings.Contains(line, "attempt_id="+id)
		}
		if !found {
			t.Errorf("%q does not have the ID %s", msg, id)
		}
	}
	page, err := r.router.DeadLetters().Search(t.Context(), letters.Query{})
	if err != nil {
		t.Fatal(err)
	}
	latest := page.Letters
	if body, _ := json.Marshal(latest); len(latest) != 1 || latest[0].AttemptID != ids[2] || !strings.Contains(string(body), `"attempt_id":"`+ids[2]) {
		t.Errorf("%s, want the attempt %s", body, ids[2])
	}
}
