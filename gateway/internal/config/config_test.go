package config_test

import (
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

var update = flag.Bool("update", false, "rewrite golden files")

func load(env map[string]string, routes []string, files ...string) (*config.Config, options.Problems) {
	return config.Load(config.Request{
		Files: files, Env: config.NewEnv(env), Routes: routes,
		Plugins: plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()},
	})
}

// check loads and builds a configuration as `gateway check` does.
func check(env map[string]string, files ...string) error {
	cfg, problems := load(env, nil, files...)
	if len(problems) > 0 {
		return problems
	}
	p, err := router.New(slog.New(slog.DiscardHandler)).Plan(cfg.Graph, httpserver.NewTable())
	if err != nil {
		return cfg.Locate(err)
	}
	p.Discard()
	return nil
}

// TestBrokenConfigs compares the problems of each broken file with its golden file. Review the files after
// `go test ./gateway/internal/config -update` has rewritten them.
func TestBrokenConfigs(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	env := map[string]string{"SECRET_TEXT": "s3cret-from-env", "FROM_FILE_FILE": "testdata/no-such-file", "REAL_REDIS": "redis://bus"}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			err := check(env, file)
			var problems options.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("nothing wrong was found: %v", err)
			}
			got := strings.ReplaceAll(problems.Error(), "testdata/broken/", "") + "\n"
			if strings.Contains(got, "s3cret") {
				t.Errorf("shows a secret: %s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultFileIsRight(t *testing.T) {
	env := map[string]string{"DATABASE_URL": "postgres://u:p$w@db/x", "REDIS_URL": "redis://bus"}
	if err := check(env, "../../../gateway.yaml"); err != nil {
		t.Error(err)
	}
}

// TestRoutesNeedOnlyWhatTheyUse proves that variables of components that no selected route uses may be missing, such
// as DATABASE_URL for the route deliver.
func TestRoutesNeedOnlyWhatTheyUse(t *testing.T) {
	cfg, problems := load(map[string]string{"REDIS_URL": "redis://bus"}, []string{"deliver"}, "../../../gateway.yaml")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(cfg.Graph.Sources) != 1 || len(cfg.Graph.Sinks) != 1 || cfg.Graph.Sinks[0].Name != "browsers" {
		t.Errorf("%d sources, sinks %+v", len(cfg.Graph.Sources), cfg.Graph.Sinks)
	}
	file := write(t, "a.yaml", "sources:\n  a: {type: redis-sub, url: \"${UNSET_A}\", channels: [x]}\n  b: {type: redis-sub, url: \"redis://b\", channels: [x]}\nsinks: {out: {type: stdout}}\nroutes:\n  a: {from: [a], to: [out]}\n  b: {from: [b], to: [out]}\n")
	if _, problems := load(nil, []string{"b"}, file); len(problems) > 0 {
		t.Errorf("the route b does not need UNSET_A: %v", problems)
	}
	letters := write(t, "letters.yaml", "sources: {a: {type: redis-sub, url: \"redis://b\", channels: [x]}}\nsinks: {out: {type: stdout, dead_letter: one}, one: {type: stdout, dead_letter: two}, two: {type: stdout}, other: {type: stdout}, third: {type: stdout}}\n"+
		"routes: {r: {from: [a], to: [out], dead_letter: third}, s: {from: [a], to: [other]}}\n")
	cfg, problems = load(nil, []string{"r"}, letters)
	if len(problems) > 0 || len(cfg.Graph.Sinks) != 4 {
		t.Errorf("a route and where its dead letters go: %v", problems)
	}
	if _, problems := load(nil, []string{"bb"}, file); len(problems) == 0 || !strings.Contains(problems.Error(), `"bb" was asked for (did you mean "b"?)`) {
		t.Errorf("a route that does not exist: %v", problems)
	}
}

const small = `
x-defaults: &defaults
  queue: {size: 7, when_full: drop_oldest}
  timeout: 3s
sources:
  in: {type: redis-sub, url: "${BUS}", channels: "${CHANNELS}"}
sinks:
  out: {<<: *defaults, type: stdout, timeout: 4s}
  two: {<<: *defaults, type: stdout}
routes:
  r: {from: [in], to: [out, two]}
`

func TestVariablesAnchorsAndLaterFiles(t *testing.T) {
	secret := write(t, "bus", "redis://u:p$w@bus\n")
	later := write(t, "later.yaml", "sinks: {out: {queue: {size: \"${SIZE:-9}\"}}}\nhttp: {listen: \":${PORT:-0}\"}\n")
	env := map[string]string{"BUS_FILE": secret, "CHANNELS": "a, b,c", "PORT": ""}
	cfg, problems := load(env, nil, write(t, "first.yaml", small), later)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	out, two := cfg.Graph.Sinks[0].Delivery, cfg.Graph.Sinks[1].Delivery
	if out.Queue.Size != 9 || out.Queue.WhenFull != "drop_oldest" || out.Timeout.D().Seconds() != 4 {
		t.Errorf("out: %+v", out)
	}
	if two.Queue.Size != 7 || two.Timeout.D().Seconds() != 3 {
		t.Errorf("two: %+v", two)
	}
	if cfg.HTTP.Listen != ":0" {
		t.Errorf("an empty variable takes its default, but listen is %q", cfg.HTTP.Listen)
	}
	in := cfg.Graph.Sources[0].Options
	if rows := options.Rows(in); !slices.ContainsFunc(rows, func(r options.Row) bool { return r.Name == "channels" && r.Default == "[a, b, c]" }) || strings.Contains(rows[0].Default, "p$w") {
		t.Errorf("source: %+v", rows)
	}
}

func TestProblemInALaterFileNamesIt(t *testing.T) {
	later := write(t, "later.yaml", "\nsinks: {out: {queue: {size: -1}}}\n")
	_, problems := load(map[string]string{"BUS": "redis://b", "CHANNELS": "a"}, nil, write(t, "first.yaml", small), later)
	if len(problems) != 1 || problems[0].Pos != (options.Pos{File: later, Line: 2, Col: 29}) {
		t.Errorf("%v", problems)
	}
}

func TestMissingFile(t *testing.T) {
	_, problems := load(nil, nil, "testdata/none.yaml")
	if len(problems) != 1 || problems[0].Error() != "testdata/none.yaml: cannot be read: no such file or directory" {
		t.Errorf("%v", problems)
	}
}

// TestDotEnv proves that the .env of the old system works, and that the environment takes precedence.
func TestDotEnv(t *testing.T) {
	t.Setenv("GATEWAY_TEST_BOTH", "environment")
	dotenv := write(t, ".env", "# comment\nGATEWAY_TEST_BOTH=file\nexport GATEWAY_TEST_URL='redis://a:b@c'\nGATEWAY_TEST_PORT=8081 # why\n")
	env, err := config.ProcessEnv(dotenv, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"GATEWAY_TEST_BOTH": "environment", "GATEWAY_TEST_URL": "redis://a:b@c", "GATEWAY_TEST_PORT": "8081"} {
		if got, ok, err := env.Lookup(name); got != want || !ok || err != nil {
			t.Errorf("%s is %q, %v, %v", name, got, ok, err)
		}
	}
	// A line that dotenv ignores or takes literally is a warning, which does not quote it.
	for _, text := range []string{"what is this\n", "A='postgres://u:s3cret@db\n", "s3cret\n"} {
		env, err := config.ProcessEnv(write(t, ".env", text), nil)
		if err != nil || len(env.Warnings()) != 1 || env.Warnings()[0].Pos.Line != 1 || strings.Contains(env.Warnings().Error(), "s3cret") {
			t.Errorf("a wrong .env: %v, %v", env.Warnings(), err)
		}
	}
	if _, err := config.ProcessEnv("testdata/none.env", nil); err != nil {
		t.Errorf("without .env: %v", err)
	}
}

// TestEmbeddedServers proves that embedded servers are used if no server is set, or if the file
// says so, and not for a single missing variable.
func TestEmbeddedServers(t *testing.T) {
	const file = "../../../gateway.yaml"
	literal := write(t, "literal.yaml", "sources: {orders_db: {url: embedded}}\n")
	for _, tc := range []struct {
		env             map[string]string
		files           []string
		problems        int
		postgres, redis bool
	}{
		{nil, []string{file}, 0, true, true},
		{map[string]string{"DATABASE_URL": "postgres://db", "REDIS_URL": "redis://bus"}, []string{file}, 0, false, false},
		{map[string]string{"DATABASE_URL": "postgres://db"}, []string{file}, 2, false, false},
		{map[string]string{"REDIS_URL": "redis://bus"}, []string{file}, 1, false, false},
		{map[string]string{"REDIS_URL": "redis://bus"}, []string{file, literal}, 0, true, false},
		{map[string]string{"GATEWAY_EMBEDDED": "off"}, []string{file}, 3, false, false},
	} {
		cfg, problems := load(tc.env, nil, tc.files...)
		if len(problems) != tc.problems {
			t.Errorf("%v: %v", tc.env, problems)
			continue
		}
		if tc.problems > 0 {
			continue
		}
		if postgres, redis := cfg.Embedded(); postgres != tc.postgres || redis != tc.redis {
			t.Errorf("%v: postgres %v, redis %v", tc.env, postgres, redis)
		}
	}
}

// TestLaterFileMayChangeType proves that the options of a component are then replaced, not merged.
func TestLaterFileMayChangeType(t *testing.T) {
	env := map[string]string{"DATABASE_URL": "postgres://db", "REDIS_URL": "redis://bus"}
	later := write(t, "mine.yaml", "sinks: {browsers: {type: stdout, format: pretty}}\n")
	if err := check(env, "../../../gateway.yaml", later); err != nil {
		t.Error(err)
	}
}

// TestMergeKeys proves a chain of <<, and the precedence of an own nested key over a merged one.
func TestMergeKeys(t *testing.T) {
	file := write(t, "merge.yaml", `
x-a: &a {queue: {size: 5}, timeout: 3s}
x-b: &b {<<: *a, type: stdout}
sources: {in: {type: redis-sub, url: "redis://b", channels: [c]}}
sinks:
  out:
    <<: *b
    queue: {size: 10}
routes: {r: {from: [in], to: [out]}}
`)
	cfg, problems := load(nil, nil, file)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if d := cfg.Graph.Sinks[0].Delivery; d.Queue.Size != 10 || d.Timeout.D().Seconds() != 3 {
		t.Errorf("%+v", d)
	}
}

func TestSmallTraps(t *testing.T) {
	const graph = "sources: {in: {type: redis-sub, url: \"redis://b\", channels: [c]}}\nsinks: {out: {type: stdout}}\nroutes: {r: {from: [in], to: [out]}}\n"
	for text, want := range map[string]string{
		"http: {admin: {token: 0123}}\n" + graph:                                      "admin.token: must be text",
		"http: {listen: \":8080\", admin: {listen: \":8080\"}}\n" + graph:             "is http.listen",
		"log: {level: \"${A:-${B:-info}}\"}\n" + graph:                                "cannot stand within another",
		graph + "---\n: : [ {\n":                                                      "is not YAML",
		"x-deep: " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\n" + graph: "nested more than",
	} {
		if err := check(nil, write(t, "trap.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %s", text, err, want)
		}
	}
}
