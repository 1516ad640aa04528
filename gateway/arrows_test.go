package main

import (
	"slices"
	"strings"
	"testing"
)

// arrows lists the packages of this repository that a package, and those below it, may
// import; the longest matching prefix counts. Dependencies run one way:
// main -> app -> {config, admin, embedded, httpserver} -> router -> {leader, delivery} -> deadletter -> queue -> ack
// -> stats -> plugin -> event -> settle.
var arrows = map[string]string{
	// main and the commands.
	"gateway":         "gateway/app gateway/plugin sources transforms sinks",
	"gateway/full":    "gateway/app gateway/plugin gateway/full/acmeclient sources transforms sinks",
	"gateway/bench":   "",
	"gateway/release": "",
	"gateway/app":     "gateway/diskspace gateway/childproc gateway/childproc/conformance gateway/internal/state gateway/acme gateway/inflight gateway/internal/settle gateway/internal/config gateway/internal/router gateway/internal/delivery gateway/internal/deadletter gateway/internal/letters gateway/internal/queue gateway/internal/stats gateway/internal/admin gateway/internal/httpserver gateway/internal/embedded gateway/internal/systemd gateway/plugin gateway/options gateway/expr gateway/event gateway/rawjson gateway/internal/tracing gateway/internal/tap",

	// The engine, which no plugin imports.
	"gateway/internal/admin":      "gateway/internal/delivery gateway/internal/router gateway/internal/letters gateway/internal/stats gateway/plugin gateway/options web gateway/logsample gateway/expr gateway/internal/tap",
	"gateway/internal/config":     "gateway/internal/state gateway/acme gateway/internal/router gateway/internal/delivery gateway/internal/queue gateway/plugin gateway/options gateway/expr gateway/internal/tracing",
	"gateway/internal/router":     "gateway/internal/state gateway/internal/leader gateway/internal/delivery gateway/internal/deadletter gateway/internal/letters gateway/internal/queue gateway/internal/ack gateway/internal/settle gateway/internal/component gateway/internal/stats gateway/internal/rcu gateway/internal/backoff gateway/plugin gateway/options gateway/event gateway/expr gateway/logsample gateway/internal/tracing gateway/internal/tap",
	"gateway/internal/leader":     "gateway/internal/ack gateway/internal/component gateway/internal/stats gateway/plugin gateway/event",
	"gateway/internal/delivery":   "gateway/logsample gateway/internal/deadletter gateway/internal/queue gateway/internal/ack gateway/internal/component gateway/internal/stats gateway/internal/backoff gateway/plugin gateway/options gateway/event gateway/internal/tracing gateway/internal/tap",
	"gateway/internal/letters":    "gateway/logsample gateway/rawjson gateway/internal/stats gateway/plugin gateway/event",
	"gateway/internal/deadletter": "gateway/internal/letters gateway/logsample gateway/internal/queue gateway/internal/ack gateway/internal/stats gateway/internal/rcu gateway/plugin gateway/event gateway/internal/tap",
	"gateway/internal/queue":      "gateway/internal/ack gateway/internal/stats gateway/internal/backoff gateway/plugin gateway/options gateway/event",
	"gateway/internal/component":  "gateway/logsample gateway/internal/stats gateway/plugin gateway/options",
	"gateway/internal/ack":        "gateway/internal/settle gateway/internal/stats gateway/event",
	"gateway/internal/settle":     "",
	"gateway/internal/state":      "gateway/diskspace gateway/plugin gateway/options gateway/redisconn gateway/pgconn",
	"gateway/internal/tap":        "gateway/plugin gateway/event gateway/expr gateway/rawjson",
	"gateway/internal/stats":      "gateway/plugin gateway/event gateway/logsample",
	"gateway/internal/tracing":    "gateway/internal/backoff gateway/httpclient gateway/options gateway/event",
	"gateway/internal/backoff":    "",
	"gateway/internal/rcu":        "",
	"gateway/internal/link":       "",
	"gateway/internal/httpserver": "gateway/logsample gateway/options gateway/plugin",
	"gateway/internal/embedded":   "",
	"gateway/internal/systemd":    "",

	// What only gateway-full has.
	"gateway/full/acmeclient": "gateway/acme gateway/plugin",

	// The packages for plugins and a custom main.
	"gateway/acme":                  "gateway/options",
	"gateway/plugin":                "gateway/event",
	"gateway/plugin/plugintest":     "gateway/plugin gateway/options gateway/event",
	"gateway/event":                 "gateway/internal/settle",
	"gateway/options":               "",
	"gateway/expr":                  "gateway/event gateway/rawjson",
	"gateway/rawjson":               "",
	"gateway/cloudevent":            "gateway/event gateway/expr gateway/rawjson",
	"gateway/inflight":              "gateway/event gateway/internal/settle gateway/plugin",
	"gateway/gauge":                 "",
	"gateway/diskspace":             "",
	"gateway/logsample":             "",
	"gateway/httpclient":            "gateway/options",
	"gateway/childproc":             "gateway/options gateway/plugin gateway/event gateway/logsample",
	"gateway/childproc/conformance": "gateway/childproc gateway/options gateway/plugin gateway/event",
	"gateway/redisconn":             "gateway/options gateway/plugin gateway/event gateway/internal/link",
	"gateway/pgconn":                "gateway/options gateway/plugin gateway/rawjson gateway/internal/link",
	"gateway/pgjson":                "",
	"gateway/pgsnapshot":            "gateway/event gateway/plugin gateway/pgconn",
	"gateway/pgtrigger":             "gateway/options gateway/plugin gateway/pgconn",
	"gateway/pgverify":              "gateway/options gateway/plugin gateway/event gateway/rawjson gateway/pgconn gateway/pgtrigger gateway/redisconn",
	"gateway/testenv":               "gateway/internal/embedded",
	"gateway/testenv/sourcetest":    "gateway/testenv gateway/plugin gateway/plugin/plugintest gateway/event",
	"web":                           "",

	"sources":    "gateway/childproc gateway/logsample gateway/plugin gateway/options gateway/expr gateway/event gateway/rawjson gateway/redisconn gateway/pgconn gateway/pgjson gateway/pgsnapshot gateway/pgtrigger gateway/pgverify gateway/inflight gateway/gauge gateway/httpclient",
	"transforms": "gateway/childproc gateway/plugin gateway/options gateway/expr gateway/event gateway/rawjson gateway/redisconn gateway/pgconn gateway/cloudevent gateway/httpclient",
	"sinks":      "gateway/childproc gateway/plugin gateway/options gateway/expr gateway/event gateway/cloudevent gateway/rawjson gateway/redisconn gateway/pgconn gateway/pgtrigger gateway/httpclient gateway/diskspace gateway/logsample",

	// The source postgres-wal has a package of its own for files.
	"sources/postgreswal":       "gateway/plugin gateway/options gateway/event gateway/rawjson gateway/pgconn gateway/pgjson gateway/pgsnapshot gateway/pgtrigger gateway/inflight gateway/gauge gateway/diskspace sources/postgreswal/spool",
	"sources/postgreswal/spool": "",

	// The sink websocket has a package of its own for presence.
	"sinks/websocket":          "gateway/logsample gateway/plugin gateway/options gateway/expr gateway/event gateway/rawjson gateway/redisconn gateway/pgconn gateway/pgtrigger sinks/websocket/presence",
	"sinks/websocket/presence": "gateway/plugin gateway/options gateway/redisconn",
}

// lists are the packages that may import the plugins below them; no other package may import a plugin.
var lists = map[string]bool{"sources": true, "transforms": true, "sinks": true}

const module = "eventgateway/"

// TestDependenciesRunOneWay proves that each package of each module imports only what arrows allows.
func TestDependenciesRunOneWay(t *testing.T) {
	var all strings.Builder
	for _, dir := range modules(t) {
		all.WriteString(goList(t, dir, "-f", `{{.ImportPath}}:{{join .Imports " "}}`, "./..."))
	}
	seen := 0
	for line := range strings.Lines(all.String()) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		path = strings.TrimPrefix(path, module)
		allowed := strings.Fields(arrows[longestPrefix(path)])
		seen++
		for imported := range strings.FieldsSeq(imports) {
			name, ok := strings.CutPrefix(imported, module)
			if !ok {
				continue
			}
			if isList := lists[path] && strings.HasPrefix(name, path+"/"); !isList && !slices.Contains(allowed, name) {
				t.Errorf("%s must not import %s", path, name)
			}
		}
	}
	if seen < len(arrows) {
		t.Errorf("only %d packages were listed", seen)
	}
}

func longestPrefix(path string) string {
	best := ""
	for p := range arrows {
		if (path == p || strings.HasPrefix(path, p+"/")) && len(p) > len(best) {
			best = p
		}
	}
	return best
}

// notLinked lists packages that only tests need or that have no maintainer. A fault in them must not
// be a fault of the gateway.
var notLinked = []string{
	"github.com/alicebob/miniredis", "github.com/yuin/gopher-lua", "github.com/joho/godotenv", "github.com/chromedp", "pgregory.net/rapid", "go.uber.org/goleak", "google.golang.org/grpc",
	module + "gateway/testenv", module + "gateway/plugin/plugintest", "testing",
}

// TestProgramsLinkNoTestPackages proves that gateway and gateway-full link no package of notLinked.
func TestProgramsLinkNoTestPackages(t *testing.T) {
	for name, dir := range map[string]string{"gateway": ".", "gateway-full": "full"} {
		linked := strings.Fields(goList(t, dir, "-deps", "."))
		if len(linked) < 100 {
			t.Errorf("only %d packages of %s were listed", len(linked), name)
		}
		for _, path := range linked {
			for _, not := range notLinked {
				if path == not || strings.HasPrefix(path, not+"/") {
					t.Errorf("%s links %s", name, path)
				}
			}
		}
	}
}
