package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestDeadLettersCommand proves that the dead letters in the memory of a gateway are listed, searched, shown, and replayed unchanged
// and in order, also one that is not UTF-8. Those that were delivered are removed, and those that fail again stay.
func TestDeadLettersCommand(t *testing.T) {
	var repaired atomic.Bool
	accepted := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !repaired.Load() {
			http.Error(w, "no such product", http.StatusUnprocessableEntity)
			return
		}
		accepted <- string(body)
	}))
	t.Cleanup(hook.Close)
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.yaml")
	writeFile(t, file, `
http: {listen: ":${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: [dead_letters_command]}}
sinks:
  shop: {type: webhook, url: "${HOOK}", allow: [127.0.0.1]}
routes: {all: {from: [bus], to: [shop]}}
`)
	env := map[string]string{"REDIS_URL": testenv.Redis(t).URL(), "HOOK": hook.URL}
	p := startBinary(t, env, "-c", file)
	p.awaitReady()
	if code, out, errs := runCommandIn(t, p, folder, "dead-letters"); code != 0 || out != "there are no dead letters\n" {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	payloads := []string{`{"n":1}`, "not UTF-8: \xff\x00", "base64:eyJuIjozfQ=="}
	client := testenv.RedisClient(t)
	for _, payload := range payloads {
		if err := client.Publish(testenv.Context(t), "dead_letters_command", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	p.awaitMetric(`gateway_sink_dead_lettered_total{sink="shop"} 3`)
	code, out, errs := runCommandIn(t, p, folder, "dead-letters")
	if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 5 || !strings.HasPrefix(lines[1], "1 ") || !strings.Contains(lines[3], "sink shop") || !strings.Contains(lines[3], "422 Unprocessable Entity") {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	if code, out, _ := runCommandIn(t, p, folder, "dead-letters", "show", "1"); code != 0 || !strings.Contains(out, `"data": "{\"n\":1}"`) || !strings.Contains(out, `"channel": "dead_letters_command"`) {
		t.Errorf("exit status %d, %s", code, out)
	}
	for args, want := range map[string]string{
		"show 4":                      "there is no dead letter 4",
		"show x":                      `"x" is not the number of a dead letter`,
		"replay --to shop":            "give either numbers, or conditions",
		"replay 1 --all --to shop":    "give either numbers, or conditions",
		"replay 1 --to shp":           `unknown sink "shp" (did you mean "shop"?)`,
		"replay 2":                    "dead letter 2 has failed again: POST ",
		"dry-run 1 --to route.nobody": "the configuration has no route nobody",
	} {
		if code, out, errs := runCommandIn(t, p, folder, append([]string{"dead-letters"}, strings.Fields(args)...)...); code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%s: exit status %d, %s%s", args, code, out, errs)
		}
	}
	for args, want := range map[string]string{
		"--text UTF-8 --component shop --since 1h": "\n2 ",
		"--text base64:eyJ":                        "\n3 ",
		"--reason 503":                             "no dead letters match\n",
		"dry-run 1":                                "the sink shop would get {\"n\":1}\n",
		"dry-run 1 --to route.all":                 "=>       sent to shop\n\nthe sink shop would get {\"n\":1}\n",
		"download":                                 `"dead_letter_number":"3"`,
	} {
		if code, out, errs := runCommandIn(t, p, folder, append([]string{"dead-letters"}, strings.Fields(args)...)...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: exit status %d, %s%s", args, code, out, errs)
		}
	}
	repaired.Store(true)
	if code, out, errs := runCommandIn(t, p, folder, "dead-letters", "replay", "3", "2", "--to", "shop"); code != 0 || out != "dead letters delivered: 2\n" {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	if a, b := <-accepted, <-accepted; a != payloads[1] || b != payloads[2] {
		t.Errorf("replayed %q and %q", a, b)
	}
	edited := filepath.Join(folder, "edited.json")
	writeFile(t, edited, `{"n":10}`)
	if code, out, errs := runCommandIn(t, p, folder, "dead-letters", "replay", "1", "--data", edited); code != 0 || out != "dead letters delivered: 1\n" {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	if got := <-accepted; got != `{"n":10}` {
		t.Errorf("replayed %q", got)
	}
	if code, out, errs := runCommandIn(t, p, folder, "dead-letters"); code != 0 || out != "there are no dead letters\n" {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	p.awaitMetric("gateway_conserved 1")
	stopProgram(t, p)
}
