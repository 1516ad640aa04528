package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/testenv"
)

// TestChartHasDefaultPipeline proves that the configuration of the chart is that of gateway.yaml, with a secret for /api. Lint
// and rendering are part of `make release`.
func TestChartHasDefaultPipeline(t *testing.T) {
	t.Parallel()
	var values struct {
		Config map[string]any `yaml:"config"`
		Port   int            `yaml:"port"`
	}
	decodeFile(t, "configs/deploy/helm/values.yaml", &values)
	text, err := yaml.Marshal(values.Config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	writeFile(t, file, string(text))
	env := map[string]string{"DATABASE_URL": "postgres://db/orders", "REDIS_URL": "redis://redis", "GATEWAY_TOKEN": "0123456789abcdef"}
	check := startBinary(t, env, "check", "-c", file)
	if code := check.exit(testenv.Wait); code != 0 {
		t.Errorf("exit status %d", code)
	}
	var pipeline map[string]any
	decodeFile(t, "gateway.yaml", &pipeline)
	for _, part := range []string{"sources", "transforms", "sinks", "routes"} {
		for name := range pipeline[part].(map[string]any) {
			if values.Config[part].(map[string]any)[name] == nil {
				t.Errorf("the chart has no %s in %s", name, part)
			}
		}
	}
}

func decodeFile(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(absolute(t, name))
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPackagesHaveTheirFiles proves that the files of the packages exist, but for those that `make release` makes, and that
// the packages install what the unit starts.
func TestPackagesHaveTheirFiles(t *testing.T) {
	t.Parallel()
	var packages struct {
		Scripts  map[string]string `yaml:"scripts"`
		Contents []struct {
			From string `yaml:"src"`
			To   string `yaml:"dst"`
			Type string `yaml:"type"`
		} `yaml:"contents"`
	}
	decodeFile(t, "configs/deploy/packages/nfpm.yaml", &packages)
	targets := map[string]string{}
	for _, c := range packages.Contents {
		targets[c.To] = c.Type
		if files, err := filepath.Glob(absolute(t, c.From)); len(files) == 0 && !strings.HasPrefix(c.From, "${BIN}/") {
			t.Errorf("%s does not exist: %v", c.From, err)
		}
	}
	for _, script := range packages.Scripts {
		if out, err := exec.Command("sh", "-n", absolute(t, script)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
		}
	}
	for _, file := range []string{"gateway.yaml", "env"} {
		if targets["/etc/eventgateway/"+file] != "config|noreplace" {
			t.Errorf("an upgrade replaces a changed %s", file)
		}
	}
	unit, err := os.ReadFile(absolute(t, "configs/deploy/systemd/eventgateway.service"))
	if err != nil {
		t.Fatal(err)
	}
	starts := regexp.MustCompile(`(?m)^Exec\w+=(\S+)`).FindAllSubmatch(unit, -1)
	if len(starts) != 2 {
		t.Errorf("the unit starts %q", starts)
	}
	for _, m := range starts {
		if _, ok := targets[string(m[1])]; !ok {
			t.Errorf("no package has %s", m[1])
		}
	}
}

// TestVersionNamesBuild proves that --version and version print the version and the revision of the build, and the version of Go.
func TestVersionNamesBuild(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway")
	const app = "-X eventgateway/gateway/app."
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", app+"Version=v1.2.3 "+app+"Revision=abc123", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, arg := range []string{"version", "--version"} {
		out, err := exec.Command(path, arg).Output()
		if want := regexp.MustCompile(`^gateway v1\.2\.3 \(revision abc123, go1\.\S+ \w+/\w+\)\n$`); err != nil || !want.Match(out) {
			t.Errorf("%s prints %q, %v", arg, out, err)
		}
	}
}
