package main

import (
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestMistakesGetSuggestions proves that a mistyped command or flag gets the name of one, at every level, and that a folder
// without a configuration is told what to do.
func TestMistakesGetSuggestions(t *testing.T) {
	empty := t.TempDir()
	for args, want := range map[string]string{
		"staus":                             `unknown command "staus" of gateway (did you mean "status"?)`,
		"staus --url http://x":              `(did you mean "status"?)`,
		"dead-letters shwo 1":               `unknown command "shwo" of gateway dead-letters (did you mean "show"?)`,
		"--rout publish":                    `unknown flag --rout (did you mean "--route"?) for gateway`,
		"check --liv":                       `unknown flag --liv (did you mean "--live"?) for gateway check`,
		"test --confg x":                    `(did you mean "--config"?) for gateway test`,
		"plugins --aclx":                    `(did you mean "--acl"?)`,
		"tail --fliter x":                   `(did you mean "--filter"?)`,
		"replay f --too x":                  `(did you mean "--to"?)`,
		"sql --tabel x":                     `(did you mean "--table"?) for gateway sql`,
		"dead-letters replay --al":          `(did you mean "--all"?)`,
		"version now":                       `gateway version takes no argument, not even "now"`,
		"init durabel":                      `unknown configuration "durabel" (did you mean "durable"?)`,
		"plugins webscoket":                 `(did you mean "websocket"?)`,
		"":                                  "gateway init        writes one",
		"check":                             "gateway init        writes one",
		"check -c gateway.yaml":             "gateway.yaml: cannot be read: no such file or directory",
		"tail http://localhost --channel x": "--channel is for Redis and PostgreSQL",
		"tail redis://localhost --channel x --token t": "--token is for gateways",
		"tail redis://localhost --channel x --last 3":  "--last is for gateways",
	} {
		code, out, errs := runCommandIn(t, nil, empty, strings.Fields(args)...)
		if code == 0 || !strings.Contains(errs, want) {
			t.Errorf("gateway %s: exit status %d, %s%s, want %s", args, code, out, errs, want)
		}
	}
}

// TestCompletionsName proves that the shells complete routes and sinks of the configuration, also without its variables.
func TestCompletionsName(t *testing.T) {
	for args, want := range map[string]string{
		"--route":                  "deliver\npublish",
		"replay f --to":            "browsers\nbus",
		"dead-letters replay --to": "browsers\nbus",
	} {
		command := append([]string{"__complete"}, strings.Fields(args)...)
		code, out, _ := runCommandIn(t, nil, filepath.Dir(absolute(t, "gateway.yaml")), append(command, "")...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		found := map[string]bool{}
		for _, line := range lines {
			found[line] = true
		}
		for name := range strings.SplitSeq(want, "\n") {
			if code != 0 || !found[name] {
				t.Errorf("%s: exit status %d, %q", args, code, out)
			}
		}
	}
}

// TestTailEndsAfterCount proves that `gateway tail -n N` ends after N events that pass the filter. With --last it begins in the
// history. It takes an http URL, and sends a token.
func TestTailEndsAfterCount(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.yaml")
	const token = "token-of-a-client-0001"
	writeFile(t, file, `
http: {listen: ":${PORT}"}
sources: {made: {type: generate, rate: 0, count: 100}}
sinks: {browsers: {type: websocket, auth: {tokens: {ada: `+token+`}}}}
routes: {all: {from: [made], to: [browsers]}}
`)
	p := startBinary(t, nil, "-c", file)
	p.awaitReady()
	url := "http://127.0.0.1:" + p.port
	p.awaitMetric(`gateway_sink_delivered_total{sink="browsers"} 100`)
	code, out, errs := runCommandIn(t, p, folder, "tail", url, "--token", token, "--json", "-n", "3", "--last", "10", "--filter", "number % 2 == 0")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 3 {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	for _, line := range lines {
		if digit := line[max(len(line)-2, 0):]; !strings.ContainsAny(digit, "02468") {
			t.Errorf("printed: %s", line)
		}
	}
	code, out, errs = runCommandIn(t, p, folder, "tail", url, "--token", token, "--json", "--last", "50", "-n", "50")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 0 || len(lines) != 50 {
		t.Errorf("exit status %d, %s%s", code, out, errs)
	}
	refused := startBinary(t, nil, "tail", url)
	testenv.Eventually(t, testenv.Wait, "a hint", func() bool {
		return strings.Contains(refused.stderr.String(), "set --token or WS_TOKEN to a token that it accepts")
	}, refused.stderr.String)
}
