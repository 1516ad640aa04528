package app

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outputOf runs a command, and returns its output, its error and its log.
func outputOf(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = log
	defer func() { os.Stderr = stderr; log.Close() }()
	out, err := commandLine(t, env, args...)
	text, rerr := os.ReadFile(log.Name())
	if rerr != nil {
		t.Fatal(rerr)
	}
	return fmt.Sprintf("%s\n%v\n%s", out, arguments(args).Error(err), text)
}

// TestCommandsDoNotPrintSecrets proves that no command prints a secret.
func TestCommandsDoNotPrintSecrets(t *testing.T) {
	c := newCanaries(t)
	refuses := echoPostgres(t)
	password := c.plant("the database's password")
	secretFile := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(secretFile, []byte("postgres://user:"+url.QueryEscape(c.plant("a password in a file"))+"@"+refuses+"/d?sslmode=disable\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	letters := filepath.Join(t.TempDir(), "letters.jsonl")
	if err := os.WriteFile(letters, []byte(`{"source":"s","channel":"c","time":"2024-01-01T00:00:00Z","data":"{\"id\":1}"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"DB": "postgres://user:" + url.QueryEscape(password) + "@" + refuses + "/d?sslmode=disable", "FROM_FILE_FILE": secretFile,
		"HOOK": fmt.Sprintf("http://%s/services/%s/x1", receiver(t, receivers["refuses"]), c.plain("a hook's path")),
		"TEXT": c.plain("a text"), "PGPASSWORD": c.plain("$PGPASSWORD"), "NO_PASSWORD": "postgres://user@" + refuses + "/d?sslmode=disable",
		"TWO_ATS": "postgres://user:" + c.plain("a password before an @") + "@" + c.plain("a password behind an @") + "@" + refuses + "/d",
		"WS_URL":  "ws://" + refuses + "/" + c.plain("a path of tail") + "?access_token=" + c.plain("a token of tail"),
	}
	config := func(change string) string {
		return writeConfig(t, strings.NewReplacer("HERE", change).Replace(`
sources:
  a: {type: postgres-notify, url: "${DB}", channels: ["${TEXT}"]}
  b: {type: postgres-outbox, url: "${FROM_FILE}", name: n}
  c: {type: postgres-notify, url: "${NO_PASSWORD}", channels: [c]}
transforms:
  ask: {type: lookup, url: "${DB}", query: "SELECT 1", into: x}
  when: {type: filter, when: 'missing.member == "${TEXT}"'}
sinks:
  hook: {type: webhook, url: "${HOOK}", allow: [127.0.0.1], headers: {X-Api: "${TEXT}"}, retry: {attempts: 1}HERE}
  kept: {type: file, path: /dev/null}
routes:
  one: {from: [a], through: [ask], to: [hook]}
  two: {from: [b], to: [kept], dead_letter: kept}
  three: {from: [c], through: [when], to: [hook]}
tests:
  asks: {source: a, events: ['{"id":1}'], expect: {hook: ['{"id":2}']}}
  holds: {source: c, events: ['{"id":1}'], expect: {hook: ['{"id":2}']}}
`))
	}
	right := config("")
	for _, tc := range []struct {
		want string // a text that proves how far the command went
		args []string
	}{
		{"is right", []string{"check", "-c", right}},
		{"percent-encode it as %40", []string{"check", "-c", config(`, proxy: "${TWO_ATS}"`)}},
		{"must be a mapping of options, not the value", []string{"check", "-c", config(`, queue: "${TEXT}"`)}},
		{"unknown option", []string{"check", "-c", config(`, tokens: "${TEXT}"`)}},
		{"cannot connect to postgres://user:***@", []string{"check", "--live", "-c", right}},
		{"FAILED  holds", []string{"test", "-c", right}},
		{"parked by route one, transform ask", []string{"test", "-c", right}},
		{"answered 400", []string{"replay", letters, "--to", "hook", "-c", right}},
		{"cannot connect to postgres://user:***@", []string{"sql", "--table", "orders", "--apply", "--url", env["DB"]}},
		{"percent-encode it as %40", []string{"sql", "--table", "orders", "--apply", "--url", env["TWO_ATS"]}},
		{"percent-encode it as %40", []string{"tail", env["TWO_ATS"], "--channel", "c"}},
		{"cannot tail", []string{"tail", "ftp://u:" + c.plain("a password of an argument") + "@h/" + c.plain("a path of an argument")}},
		{"--channel is for", []string{"tail", "https://u:" + c.plain("a password of https") + "@h/" + c.plain("a path of an argument"), "--channel", "c"}},
		{"unknown command", []string{env["DB"]}},
		{"unknown plugin", []string{"plugins", "webhok"}},
	} {
		text := outputOf(t, env, tc.args...)
		if !strings.Contains(text, tc.want) {
			t.Errorf("%s: %q is not said:\n%s", tc.args[0], tc.want, text)
		}
		c.find("gateway "+tc.args[0], text)
	}
}
