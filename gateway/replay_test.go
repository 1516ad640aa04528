package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestDeadLettersAreReplayed proves that events that an endpoint refuses are parked in a file with the
// reason, and that `gateway replay` sends them unchanged, with their IDs.
func TestDeadLettersAreReplayed(t *testing.T) {
	var repaired atomic.Bool
	type delivery struct{ id, body string }
	refused, accepted := make(chan delivery, 10), make(chan delivery, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d := delivery{r.Header.Get("Webhook-Id"), string(body)}
		if repaired.Load() {
			accepted <- d
			return
		}
		http.Error(w, "no such product", http.StatusUnprocessableEntity)
		refused <- d
	}))
	t.Cleanup(hook.Close)
	env := realServers(t)
	env["WEBHOOK_URL"] = hook.URL
	env["PARKED_FILE"] = filepath.Join(t.TempDir(), "parked.jsonl")
	config := absolute(t, "configs/orders-webhook.yaml")
	p := startBinary(t, env, "-c", config)
	p.awaitReady()
	for _, name := range []string{"Ada <&>", "Zoë"} {
		order(t, name, "1.50")
	}
	first, second := <-refused, <-refused
	p.awaitLog(`"parked":"in parked"`)
	p.awaitMetric(`gateway_sink_delivered_total{sink="parked"} 2`)
	p.cmd.Process.Signal(os.Interrupt)
	if code := p.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	text, err := os.ReadFile(env["PARKED_FILE"])
	if err != nil || strings.Count(string(text), `"dead_letter_component":"sink shop"`) != 2 || !strings.Contains(string(text), "422 Unprocessable Entity") {
		t.Errorf("%v, parked:\n%s", err, text)
	}
	if err := os.WriteFile(env["PARKED_FILE"], append(text, `{"half":`...), 0o600); err != nil {
		t.Fatal(err)
	}

	repaired.Store(true)
	replay := startBinary(t, env, "replay", env["PARKED_FILE"], "--to", "shop", "-c", config)
	if a, b := <-accepted, <-accepted; a != first || b != second {
		t.Errorf("replayed %v and %v, want %v and %v", a, b, first, second)
	}
	if code := replay.exit(testenv.Wait); code != 1 || !strings.Contains(replay.stderr.String(), "lines that are not events: 1, the first is "+env["PARKED_FILE"]+":3") {
		t.Errorf("exit status %d: %s", code, replay.stderr.String())
	}
	if got := replay.line(); got != "events delivered to shop or its dead_letter sink: 2" {
		t.Errorf("output: %s", got)
	}

	for args, want := range map[string]string{
		"--to shap":     `unknown sink "shap" (did you mean "shop"?)`,
		"--to browsers": "serves clients that are connected to a running gateway",
	} {
		args := append([]string{"replay", env["PARKED_FILE"], "-c", config, "-c", absolute(t, "gateway.yaml")}, strings.Fields(args)...)
		p := startBinary(t, env, args...)
		if code := p.exit(testenv.Wait); code != 1 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%v: exit status %d, %s", args, code, p.stderr.String())
		}
	}
}
