package app

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// hostileKeys are ids of rows that a shell, psql or a server of SQL would interpret where they are quoted wrongly.
var hostileKeys = []string{
	`7`, ``, ` `, `'`, `''`, `"`, `\`, `\'`, `\\'`, `'; DROP TABLE copied; --`, `\'; DROP TABLE copied; --`, "`touch pwned`", `$(touch pwned)`, `'$(touch pwned)'`, `"; touch pwned; "`,
	`'; touch pwned; '`, `$HOME`, `!!`, `a!b'c`, "a\nb", "a\n\\! touch pwned", `\! touch pwned`, "\x1b[201~touch pwned\n", "\r", "\t", "\x03", "\x7f", `:'HOME'`, `:"x"`, `$$; x $$`, `E'\047'`,
	"\u202etxt", "\u00a0", "ä'ö\"", "😀'", `%s%n`, `-h evil`, `a && touch pwned`, `{a,b}`, `*`, `~`, `#`, `\x27`, `&filter=x`, `#x`, `"a" || true`, "\u2028",
}

// TestDashboardCommandsAreQuoted proves that the commands to copy do what they say, whatever the payload has: a real bash runs them, and a
// real psql selects the row.
func TestDashboardCommandsAreQuoted(t *testing.T) {
	db := testenv.Connect(t)
	ctx := testenv.Context(t)
	for _, table := range []string{"copied", `"It's ""odd"".$(touch pwned)"`} {
		if _, err := db.Exec(ctx, `DROP TABLE IF EXISTS `+table+`; CREATE TABLE `+table+` (id text PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range append(hostileKeys, "another") {
		for _, table := range []string{"copied", `"It's ""odd"".$(touch pwned)"`} {
			if _, err := db.Exec(ctx, `INSERT INTO `+table+` VALUES ($1)`, key); err != nil {
				t.Fatal(err)
			}
		}
	}
	type command struct{ Key, PSQL, Curl string }
	var commands []command
	keys, _ := json.Marshal(hostileKeys)
	script := `import { describe } from "../../web/js/events/payload.js"; import { psqlCommand, curlCommand } from "../../web/js/events/commands.js";
		const out = [];
		for (const key of JSON.parse(process.argv[1])) for (const table of ["public.copied", "copied", '"It\'s ""odd"".$(touch pwned)"']) {
			const item = describe(JSON.stringify({ operation: "INSERT", table, old: null, new: { id: key } }));
			out.push({ key, psql: psqlCommand(item), curl: curlCommand(item, "ws://host.example:80/live?x=1") });
		}
		console.log(JSON.stringify(out));`
	out, err := exec.Command("node", "--input-type=module", "-e", script, string(keys)).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
	}
	if err := json.Unmarshal(out, &commands); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fake := filepath.Join(dir, "bin")
	if err := os.Mkdir(fake, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(fake, "curl"), []byte("#!/bin/sh\nprintf '%s\\0' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(line string, env ...string) string {
		t.Helper()
		cmd := exec.Command("bash", "-c", line)
		cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + fake + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "PGCLIENTENCODING=UTF8", "PGOPTIONS=-c standard_conforming_strings=on"}, env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", line, err, out)
		}
		return string(out)
	}
	var lines []string
	for _, c := range commands {
		if c.PSQL == "" {
			t.Fatalf("no psql for %q", c.Key)
		}
		if strings.ContainsFunc(c.PSQL+c.Curl, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e || r == 0x2028 }) {
			t.Errorf("a terminal would interpret %q or %q", c.PSQL, c.Curl)
		}
		lines = append(lines, strings.Replace(c.PSQL, "psql ", "psql -X -A -t -0 ", 1))
		args := strings.Split(strings.TrimSuffix(run(c.Curl), "\x00"), "\x00")
		if len(args) != 4 {
			t.Errorf("%q: curl gets %q", c.Key, args)
			continue
		}
		u, err := url.Parse(args[3])
		var literal string
		if err != nil || u.Host != "host.example" || json.Unmarshal([]byte(strings.TrimPrefix(u.Query().Get("filter"), "new.id == ")), &literal) != nil || literal != c.Key {
			t.Errorf("%q: curl gets %q (%v)", c.Key, args, err)
		}
	}
	for _, setting := range []string{"on", "off"} { // of standard_conforming_strings
		got := strings.Split(run(strings.Join(lines, " && "), "DATABASE_URL="+testenv.Postgres(t).URL(), "PGOPTIONS=-c standard_conforming_strings="+setting+" -c escape_string_warning=off"), "\x00")
		var want []string
		for _, c := range commands {
			want = append(want, c.Key)
		}
		if got = got[:len(got)-1]; !slices.Equal(got, want) {
			t.Errorf("standard_conforming_strings %s: psql found\n%q\nwant\n%q", setting, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("a shell has run a payload")
	}
}
