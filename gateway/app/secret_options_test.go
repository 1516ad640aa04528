package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
)

// minimal holds a right configuration of each type, into which tests put one option at a time.
// Options of other kinds of components are in the map of their kind.
var minimal = map[string]string{
	"source exec":             `{command: [x]}`,
	"source generate":         `{}`,
	"source postgres-notify":  `{url: "postgres://h/d", channels: [c]}`,
	"source postgres-outbox":  `{url: "postgres://h/d", name: n}`,
	"source postgres-wal":     `{url: "postgres://h/d"}`,
	"source redis-stream":     `{url: "redis://h", stream: s, from: start}`,
	"source redis-sub":        `{url: "redis://h", channels: [c]}`,
	"transform batch":         `{}`,
	"transform cloudevents":   `{mode: wrap, ce_type: t}`,
	"transform dedupe":        `{by: "id"}`,
	"transform exec":          `{command: [x]}`,
	"transform filter":        `{when: "true"}`,
	"transform json":          `{}`,
	"transform lookup":        `{url: "postgres://h/d", query: "SELECT 1", into: x}`,
	"transform map":           `{fields: {a: "1"}}`,
	"transform mask":          `{fields: [a], with: hash}`,
	"transform remove":        `{fields: [a]}`,
	"transform rename":        `{fields: {a: b}}`,
	"transform sample":        `{one_in: 2}`,
	"transform schema":        `{schema: {type: object}}`,
	"transform set":           `{fields: {a: "1"}}`,
	"transform split":         `{field: a}`,
	"transform throttle":      `{events: 1, per: 1s}`,
	"transform wasm":          `{file: /dev/null}`, // right but for the module itself
	"transform window":        `{fields: {n: count()}}`,
	"sink exec":               `{command: [x]}`,
	"sink file":               `{path: /nowhere/x}`,
	"sink postgres":           `{url: "postgres://h/d", table: t, columns: {a: "1"}}`,
	"sink redis-pub":          `{url: "redis://h", channel: c}`,
	"sink redis-stream":       `{url: "redis://h", stream: s}`,
	"sink stdout":             `{}`,
	"sink webhook":            `{url: "https://shop.example/"}`,
	"sink websocket":          `{auth: {jwt: {algorithm: RS256, jwks: "https://id.example/"}}}`,
	"settings":                `{}`,
	"route":                   `{}`,
	"test":                    `{source: in, events: ["{}"], expect: {out: ["{}"]}}`,
	"source of every type":    `{}`,
	"sink of every type":      `{}`,
	"transform of every type": `{by: "id"}`,
}

// plainText explains for each option of free text why it is not a secret. Each new option must
// be in this list, or have the type options.Secret or options.URL. Errors may show literals of
// these options, but not the values of variables.
var plainText = map[string]string{
	"settings tracing.resource": "sent to the receiver of traces as names of the gateway",
	"settings tracing.tls.ca":   "a path; certificates are public", "settings tracing.tls.cert": "a path; certificates are public", "settings tracing.tls.key": "a path: the key itself is read from the file, and never printed",
	"settings http.listen": "an address", "settings http.admin.listen": "an address",
	"route from": "names", "route when": "an expression over payloads", "route through": "names", "route to": "names", "route dead_letter": "a name",
	"test source": "a name", "test channel": "a name", "test attrs": "made-up attributes", "test now": "a time", "test events": "made-up payloads", "test expect": "made-up payloads", "test clients": "made-up claims and payloads",
	"source of every type key": "an expression over payloads", "source of every type origin_time": "an expression over payloads", "source of every type leader": "a name", "source of every type traceparent": "an expression over payloads", "sink of every type dead_letter": "a name",
	"source exec command": "ps shows it; secrets belong into secrets", "source exec options": "options of the program that are no secrets", "source exec dir": "a path",
	"transform exec command": "ps shows it; secrets belong into secrets", "transform exec options": "options of the program that are no secrets", "transform exec dir": "a path",
	"sink exec command": "ps shows it; secrets belong into secrets", "sink exec options": "options of the program that are no secrets", "sink exec dir": "a path",
	"source generate template": "a made-up payload", "source generate position": "a path",
	"source postgres-notify channels": "names", "source postgres-notify tables": "names", "source postgres-notify owners": "names of roles",
	"source postgres-outbox owners": "names of roles", "source postgres-outbox tables": "names", "source postgres-outbox name": "a name",
	"source postgres-wal slot": "a name", "source postgres-wal publication": "a name", "source postgres-wal tables": "names", "source postgres-wal owners": "names of roles", "source postgres-wal spool.path": "a path",
	"source redis-stream stream": "a name", "source redis-stream from": "a position", "source redis-stream name": "a name",
	"source redis-stream group": "a name", "source redis-stream consumer": "a name",
	"source redis-sub channels": "names", "source redis-sub patterns": "patterns of names",
	"transform cloudevents ce_type": "stands in events", "transform cloudevents ce_source": "stands in events", "transform cloudevents ce_subject": "stands in events",
	"transform dedupe by": "an expression over payloads", "transform dedupe prefix": "how names begin",
	"transform filter when": "an expression over payloads", "transform json wrap.operation": "stands in events", "transform json wrap.field": "the name of a field",
	"transform lookup query": "SQL, whose values are in params", "transform lookup params": "expressions over payloads", "transform lookup into": "the name of a field",
	"transform map fields": "expressions over payloads", "transform mask fields": "names of fields", "transform mask text": "stands in events in the place of what is hidden",
	"transform remove fields": "names of fields", "transform rename fields": "names of fields", "transform sample by": "an expression over payloads",
	"transform wasm file": "a path; the module itself is not printed", "transform wasm options": "options of the module that are no secrets",
	"transform window fields": "aggregates of expressions over payloads",
	"transform schema schema": "describes payloads", "transform schema file": "a path; what is in the file describes payloads",
	"transform set fields": "expressions over payloads", "transform split field": "the name of a field", "transform throttle by": "an expression over payloads",
	"sink file path": "a path", "sink redis-pub channel": "a name", "sink redis-pub sequence.key": "a name", "sink redis-pub sequence.field": "the name of a field",
	"sink postgres table": "a name", "sink postgres columns": "expressions over payloads", "sink postgres key_columns": "names of columns", "sink postgres delivered": "a name", "sink postgres owners": "names of roles", "sink postgres delete": "an expression over payloads",
	"settings state.path": "a path", "settings state.name": "a name", "settings dead_letters.path": "a path",
	"sink redis-stream stream": "a name", "sink stdout template": "what is printed",
	"sink webhook path": "a path of each event: a secret belongs into url", "sink webhook method": "a method of HTTP",
	"sink webhook ce_type": "stands in events", "sink webhook ce_source": "stands in events", "sink webhook ce_subject": "stands in events",
	"sink webhook tls.ca": "a path; certificates are public", "sink webhook tls.cert": "a path; certificates are public", "sink webhook tls.key": "a path: the key itself is read from the file, and never printed",
	"sink redis-pub tls.ca": "a path; certificates are public", "sink redis-pub tls.cert": "a path; certificates are public", "sink redis-pub tls.key": "a path: the key itself is read from the file, and never printed",
	"sink redis-stream tls.ca": "a path; certificates are public", "sink redis-stream tls.cert": "a path; certificates are public", "sink redis-stream tls.key": "a path: the key itself is read from the file, and never printed",
	"source redis-sub tls.ca": "a path; certificates are public", "source redis-sub tls.cert": "a path; certificates are public", "source redis-sub tls.key": "a path: the key itself is read from the file, and never printed",
	"source redis-stream tls.ca": "a path; certificates are public", "source redis-stream tls.cert": "a path; certificates are public", "source redis-stream tls.key": "a path: the key itself is read from the file, and never printed",
	"transform dedupe tls.ca": "a path; certificates are public", "transform dedupe tls.cert": "a path; certificates are public", "transform dedupe tls.key": "a path: the key itself is read from the file, and never printed",
	"settings http.base_path": "a path that browsers show",
	"settings http.tls.cert":  "a path; certificates are public", "settings http.tls.client_ca": "a path; certificates are public", "settings http.tls.key": "a path: the key itself is read from the file, and never printed",
	"settings http.tls.acme.domains": "names of hosts", "settings http.tls.acme.email": "an address", "settings http.tls.acme.directory": "a public address", "settings http.tls.acme.ca": "a path; certificates are public",
	"settings http.tls.acme.storage": "a path", "settings http.tls.acme.profile": "a name", "settings http.tls.acme.external_account.key_id": "a name; the secret is in key",
	"settings http.admin.users": "names and roles; the hashes in it are secrets", "settings http.admin.certificates": "names", "settings log.components": "names and levels",
	"settings http.admin.tls.cert": "a path; certificates are public", "settings http.admin.tls.client_ca": "a path; certificates are public", "settings http.admin.tls.key": "a path: the key itself is read from the file, and never printed",
	"sink websocket path": "a path that clients know", "sink websocket welcome": "every client gets it", "sink websocket origins": "addresses of pages",
	"sink websocket auth.query": "the name of a parameter", "sink websocket auth.jwt.audience": "a name", "sink websocket auth.jwt.issuer": "a name",
	"sink websocket authorize": "an expression over payloads and claims", "sink websocket position": "the name of a field", "sink websocket channels": "templates over payloads",
	"sink websocket snapshot.tables": "names", "sink websocket snapshot.owners": "names of roles", "sink websocket snapshot.remove": "names of fields",
	"sink websocket presence.channels": "names", "sink websocket presence.prefix": "how names begin",
	"sink websocket presence.tls.ca": "a path; certificates are public", "sink websocket presence.tls.cert": "a path; certificates are public", "sink websocket presence.tls.key": "a path: the key itself is read from the file, and never printed",
}

// optionRow is an option of one type, or one outside of components.
type optionRow struct {
	of string // "sink webhook"
	options.Row
}

func (o optionRow) secret() bool {
	return strings.HasSuffix(o.Type, "secret") || strings.HasSuffix(o.Type, "URL")
}

// closed reports whether the option takes no free text.
func (o optionRow) closed() bool {
	kind := strings.TrimPrefix(o.Type, "list of ")
	return strings.HasPrefix(kind, "`") || slices.Contains([]string{"integer", "number from 0 to 1", "duration", "size", "true or false", "network"}, kind)
}

func everyOption() (all []optionRow) {
	add := func(of string, rows []options.Row) {
		for _, r := range rows {
			all = append(all, optionRow{of, r})
		}
	}
	for _, t := range allTypes() {
		add(fmt.Sprintf("%s %s", t.Kind(), t.Name()), options.Rows(t.Defaults()))
	}
	failure, delivery := router.DefaultFailure(), delivery.DefaultOptions()
	add("source of every type", options.Rows(&router.Capture{}))
	add("transform of every type", options.Rows(&failure))
	add("sink of every type", options.Rows(&delivery))
	add("settings", config.SettingsRows())
	add("route", config.RouteRows())
	add("test", config.TestRows())
	return all
}

func allTypes() []pluginType { return typesOf(plugins()) }

// TestEveryTextOptionIsClassified proves that each option of free text is a secret or in plainText.
func TestEveryTextOptionIsClassified(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range everyOption() {
		name := o.of + " " + o.Name
		seen[name] = true
		switch reason := plainText[name]; {
		case minimal[o.of] == "":
			t.Errorf("%s: give a right configuration in minimal, and have it searched", o.of)
		case (o.secret() || o.closed()) && reason != "":
			t.Errorf("%s has the type %s: take it out of plainText", name, o.Type)
		case !o.secret() && !o.closed() && reason == "":
			t.Errorf("%s has the type %s: is it a secret? then it is an options.Secret; else say in plainText why not", name, o.Type)
		}
	}
	for name := range plainText {
		if !seen[name] {
			t.Errorf("%s is no option any more: take it out of plainText", name)
		}
	}
}

// TestErrorsDoNotQuoteSecrets proves that `gateway check` and /api/components show no secret, for right and wrong values of every
// option, from a variable and as a literal.
func TestErrorsDoNotQuoteSecrets(t *testing.T) {
	loaded := 0
	for _, o := range everyOption() {
		c := newCanaries(t)
		env := map[string]string{"TEXT": c.plant("$TEXT"), "PLAIN": c.plain("$PLAIN"), "NUMBER": c.number("$NUMBER"),
			"DSN": "postgres://user:" + c.plain("$DSN") + "@" + c.plain("a half of $DSN") + "@h/d", "KEYS": "host=h password=" + c.plain("$KEYS")}
		values := []string{`"${TEXT}"`, `"${PLAIN}"`, `"${NUMBER}"`, `"${DSN}"`, `"${KEYS}"`, `["${TEXT}", "${NUMBER}"]`, `{k: "${TEXT}"}`, `[{k: "${PLAIN}"}]`, `"{{ '${PLAIN}' + }}"`, `"{{ ${TEXT} }}"`}
		if o.secret() {
			literals := strings.NewReplacer("TEXT", c.plain("a literal"), "NUMBER", c.number("a number"))
			for _, v := range []string{`TEXT`, `NUMBER`, `"{{ 'TEXT' "`, `"{{ TEXT + }}"`, `[TEXT]`, `[NUMBER]`, `{k: TEXT}`, `{k: NUMBER}`, `{k: [TEXT]}`, `{k: {n: NUMBER}}`, `!TEXT`, `!TEXT x`, `[!TEXT x]`, `*TEXT`, `!!int TEXT`,
				`"${TEXT-}"`, `"${TEXT"`, `"TEXT://x"`, `"postgres://u:TEXT/NUMBER@h/d"`, `"redis://:TEXT?NUMBER@h"`, `"https://u:TEXT#NUMBER@h"`, `"rediss://:%zzTEXT@h"`, `"redis://u:NUMBER@TEXT@h"`,
				`"postgres://h/d?password=TEXT&sslpassword=NUMBER&port=x"`, `"postgres://u:TEXT@h1:1,h2:x/d"`, `"https://h/TEXT?k=NUMBER#f"`, `"https://h:99999/TEXT"`, `"host=h password=TEXT@x"`, `"host=h password=TEXT port=NUMBER"`} {
				values = append(values, literals.Replace(v))
			}
			if parent, _, nested := strings.Cut(o.Name, "."); nested { // tokens: TEXT, and what is around it
				c.check(o.of, parent, literals.Replace("TEXT"), env)
				c.check(o.of, parent, literals.Replace("NUMBER"), env)
			}
		}
		for _, v := range values {
			loaded += c.check(o.of, o.Name, v, env)
		}
		if t.Failed() {
			t.Logf("it was in %s %s", o.of, o.Name)
			return
		}
	}
	if loaded < 50 {
		t.Errorf("only %d values were right: build has seen none of the others", loaded)
	}
}

// check puts a value into an option of a right configuration, and searches the errors for
// secrets. It returns 1 where there was no error.
func (c *canaries) check(of, option, value string, env map[string]string) int {
	c.t.Helper()
	text := configWith(c.t, of, option, value)
	where := fmt.Sprintf("%s: %s", of, option)
	cfg, problems := config.Load(config.Request{Files: []string{writeConfig(c.t, text)}, Env: config.NewEnv(env), Plugins: plugins()})
	if len(problems) > 0 {
		c.find(where+": check\n"+text, problems.Error())
		return 0
	}
	cfg.SetEmbeddedURLs("postgres://embedded", "redis://embedded")
	g, err := assemble(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		c.find(where+": build\n"+text, err.Error())
		return 0
	}
	g.initial.plan.Discard()
	for kind, name := range map[string]string{"source": "in", "transform": "change", "sink": "out", "route": "way"} {
		d, found := descriptions{cfg}.Describe(kind, name)
		page, err := json.Marshal(d)
		if !found || err != nil {
			c.t.Errorf("%s: %s %s is not described: %v", where, kind, name, err)
		}
		c.find(where+": /api/components/"+kind, string(page))
	}
	return 1
}

// configWith returns a configuration in which an option of one component, or one outside of
// components, has a value in YAML.
func configWith(t testing.TB, of, option, value string) string {
	t.Helper()
	parse := func(text string) (m map[string]any) {
		if err := yaml.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	put := parse(minimal[of])
	at, keys := put, strings.Split(option, ".")
	for _, key := range keys[:len(keys)-1] {
		if at[key] == nil {
			at[key] = map[string]any{}
		}
		at = at[key].(map[string]any)
	}
	at[keys[len(keys)-1]] = "VALUE"
	parts := map[string]map[string]any{"source": {"type": "redis-sub", "url": "redis://h", "channels": []any{"c"}}, "transform": {"type": "json"}, "sink": {"type": "stdout"}, "route": {"from": []any{"in"}, "through": []any{"change"}, "to": []any{"out"}}, "test": nil}
	top := map[string]any{}
	kind, name, _ := strings.Cut(of, " ")
	switch {
	case of == "settings":
		maps.Copy(top, put)
	case strings.HasSuffix(of, " of every type"), of == "route":
		maps.Copy(parts[kind], put)
		if kind == "transform" {
			parts[kind]["type"] = "dedupe"
		}
	case of == "test":
		parts[kind] = put
	default:
		put["type"] = name
		parts[kind] = put
	}
	if parts["source"]["type"] == "generate" || parts["source"]["type"] == "postgres-outbox" || parts["source"]["type"] == "postgres-wal" || parts["source"]["type"] == "redis-stream" {
		parts["route"]["dead_letter"] = "kept" // a source that replays needs one
		if kind == "source" {
			parts["sink"] = map[string]any{"type": "file", "path": "x"}
		}
	}
	top["sources"], top["transforms"] = map[string]any{"in": parts["source"]}, map[string]any{"change": parts["transform"]}
	top["sinks"] = map[string]any{"out": parts["sink"], "kept": map[string]any{"type": "file", "path": "/nowhere/kept"}}
	top["routes"] = map[string]any{"way": parts["route"]}
	if parts["test"] != nil {
		top["tests"] = map[string]any{"t": parts["test"]}
	}
	text, err := yaml.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "VALUE", value)
}
