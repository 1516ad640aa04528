package app

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runInTemp runs a command line in a folder, and returns what it printed.
func runInTemp(t *testing.T, folder string, args ...string) (string, error) {
	t.Helper()
	t.Chdir(folder)
	root, err := command(plugins())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	err = root.Execute()
	return out.String(), err
}

// clearServers lets a test run without the servers of its environment.
func clearServers(t *testing.T) {
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "PORT", "WEBHOOK_URL"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
}

// TestInitWritesCheckedFiles proves that each configuration of `gateway init` passes `gateway check` and its own tests, names the
// schema beside it, and overwrites nothing.
func TestInitWritesCheckedFiles(t *testing.T) {
	for _, s := range starters {
		t.Run(s.name, func(t *testing.T) {
			clearServers(t)
			args, servers := []string{"init", s.name}, map[string]string{}
			switch s.name {
			case "table":
				args, servers["DATABASE_URL"] = append(args, "--table", "shop.products"), "postgres://db/shop"
			case "webhook":
				servers["WEBHOOK_URL"] = "http://localhost:9000"
			}
			folder := t.TempDir()
			out, err := runInTemp(t, folder, args...)
			if err != nil || !strings.HasPrefix(out, "wrote gateway.yaml\nwrote gateway.schema.json, for editors\n\nnext:\n  ") || !strings.HasSuffix(out, "  gateway\n") || strings.Contains(out, "TABLE") {
				t.Errorf("%s%v", out, err)
			}
			text, err := os.ReadFile("gateway.yaml")
			if err != nil || !strings.HasPrefix(string(text), "# yaml-language-server: $schema=gateway.schema.json\n# ") || strings.Contains(string(text), "items") {
				t.Errorf("%v: %s", err, text)
			}
			for name, value := range servers {
				t.Setenv(name, value)
			}
			for _, verify := range []string{"check", "test"} {
				if out, err := runInTemp(t, folder, verify); err != nil {
					t.Errorf("%s: %s%v", verify, out, err)
				}
			}
			if _, err := runInTemp(t, folder, args...); !errors.Is(err, fs.ErrExist) {
				t.Errorf("it overwrites: %v", err)
			}
			if out, err := runInTemp(t, folder, append(args, "-o", "other.yaml")...); err != nil || strings.Contains(out, "schema") || !strings.HasSuffix(out, "gateway -c other.yaml\n") {
				t.Errorf("%s%v", out, err)
			}
		})
	}
	for args, want := range map[string]string{
		"init table":                     "which table?",
		"init table --table Items;":      "cannot be put into the file",
		"init --table items":             "--table is for: gateway init table",
		"init -o none/such/gateway.yaml": "no such file or directory",
	} {
		if _, err := runInTemp(t, t.TempDir(), strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestStartersAreExamples proves that the configurations of `gateway init` are the examples that run on real servers in other tests.
func TestStartersAreExamples(t *testing.T) {
	for name, example := range map[string]string{"orders": defaultConfig, "durable": "../../configs/orders-durable.yaml", "webhook": "../../configs/orders-webhook.yaml"} {
		want, err := os.ReadFile(example)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("starters", name+".yaml")
		got, err := os.ReadFile(file)
		if err == nil && bytes.Equal(got, want) {
			continue
		}
		if os.Getenv("PLUGINTEST_UPDATE") == "" {
			t.Errorf("%s differs from %s (PLUGINTEST_UPDATE=1 writes it): %v", file, example, err)
		} else if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImportDotenv proves that `gateway import` says what the settings of the Node.js system become, shows no value, and
// writes a configuration that works with them.
func TestImportDotenv(t *testing.T) {
	clearServers(t)
	folder := t.TempDir()
	const dotenv = "DATABASE_URL=postgres://orders:s3cret-pass@db/orders\nREDIS_URL=redis://:s3cret-pass@bus\nPORT=8081\nWS_URL=ws://localhost:8081\nDEBUG=*\nNODE_ENV=production\nbroken line s3cret-pass\n"
	if err := os.WriteFile(filepath.Join(folder, ".env"), []byte(dotenv), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runInTemp(t, folder, "import", ".env")
	for _, want := range []string{"DATABASE_URL  url of the source orders_db\n", "PORT          http.listen\n", "DEBUG         log.level debug", "NODE_ENV      not used", "warning: .env:7:1: is left out", "wrote gateway.yaml\n", "  gateway check --live\n  gateway\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing: %s%v", want, out, err)
		}
	}
	text, rerr := os.ReadFile("gateway.yaml")
	if err != nil || rerr != nil || strings.Contains(out+string(text), "s3cret") {
		t.Errorf("%v, %v, %s%s", err, rerr, out, text)
	}
	if out, err := runInTemp(t, folder, "check"); err != nil {
		t.Errorf("check: %s%v", out, err)
	}
	if err := os.WriteFile(filepath.Join(folder, "half.env"), []byte("DATABASE_URL=postgres://db/orders\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = runInTemp(t, folder, "import", "half.env", "-o", "half.yaml")
	if err != nil || !strings.Contains(out, "half.env does not set REDIS_URL") || !strings.HasSuffix(out, "  gateway -c half.yaml --env-file half.env\n") {
		t.Errorf("%s%v", out, err)
	}
	if _, err := runInTemp(t, folder, "import", "none.env"); err == nil || !strings.Contains(err.Error(), "none.env: cannot be read: no such file") {
		t.Errorf("%v", err)
	}
}
