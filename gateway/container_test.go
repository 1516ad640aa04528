package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"eventgateway/gateway/testenv"
)

// composed is what a test reads of configs/deploy/compose.yaml.
type composed struct {
	Services map[string]struct {
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Secrets     []string          `yaml:"secrets"`
		ReadOnly    bool              `yaml:"read_only"`
	} `yaml:"services"`
	Secrets map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
}

// TestContainer proves that the image of configs/deploy/Dockerfile runs the default pipeline by the commands of
// compose.yaml, as a user without a name and HOME, with a read-only root, and with its secrets and its configuration in
// mounted files. It loads a configuration that is changed as Kubernetes changes a ConfigMap.
func TestContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may make a root folder for another user")
	}
	t.Parallel()
	text, err := os.ReadFile(absolute(t, "configs/deploy/compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var compose composed
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	im := buildImage(t)
	if len(im.entrypoint) == 0 || len(im.check) == 0 || im.user != "65532:65532" {
		t.Fatalf("image: %+v", im)
	}
	testenv.OrdersTable(t)
	secrets := t.TempDir()
	must(t, os.Chmod(secrets, 0o755))
	for name, value := range map[string]string{"database_url": testenv.Postgres(t).URL(), "redis_url": testenv.Redis(t).URL(), "gateway_token": "0123456789abcdef"} {
		writeFile(t, filepath.Join(secrets, name), value+"\n")
		must(t, os.Chmod(filepath.Join(secrets, name), 0o444))
	}
	files := newConfigMap(t)
	production, err := os.ReadFile(absolute(t, "configs/deploy/production.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := os.ReadFile(absolute(t, "gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	short := strings.ReplaceAll(string(production), "shutdown_delay: 15s", "shutdown_delay: 0s")
	files.set(map[string]string{"gateway.yaml": string(pipeline), "production.yaml": short})
	port := testenv.FreePort(t)
	service := func(name string) *container {
		s := compose.Services[name]
		if !s.ReadOnly || len(s.Secrets) != 3 {
			t.Errorf("service %s: %+v", name, s)
		}
		c := &container{image: im, env: map[string]string{"PORT": fmt.Sprint(port)}, volumes: map[string]string{"/run/secrets": secrets, im.dir: files.dir}}
		for key, value := range s.Environment {
			c.env[key] = value
		}
		return c
	}
	sql := service("sql")
	if code := sql.run(t, append(im.entrypoint, compose.Services["sql"].Command...)...); code != 0 {
		t.Fatalf("sql: exit status %d", code)
	}
	gateway := service("gateway")
	begin := time.Now()
	p := gateway.start(t, append(im.entrypoint, compose.Services["gateway"].Command...)...)
	p.port = fmt.Sprint(port)
	p.awaitLeading()
	t.Logf("image %.1f MB, started within %v, resident %.1f MB", float64(im.size(t))/1e6, time.Since(begin).Round(time.Millisecond), float64(resident(t, p.cmd.Process.Pid))*1024/1e6)
	conn := dial(t, p)
	read(t, conn)
	order(t, "Ada", "1.50")
	if got := read(t, conn); !strings.Contains(got, `"customer_name":"Ada"`) {
		t.Errorf("frame: %s", got)
	}
	for _, command := range [][]string{im.check, {im.entrypoint[0], "status", "-c", "gateway.yaml", "-c", "production.yaml"}} {
		if code := gateway.run(t, command...); code != 0 {
			t.Errorf("%q: exit status %d", command, code)
		}
	}
	files.set(map[string]string{"gateway.yaml": strings.ReplaceAll(string(pipeline), "Connected to orders updates", "Changed"), "production.yaml": short})
	p.awaitLog("configuration reloaded")
	if got := read(t, dial(t, p)); got != `{"type":"welcome","msg":"Changed"}` {
		t.Errorf("welcome after the reload: %s", got)
	}
	stopProgram(t, p)
	if code := gateway.run(t, im.check...); code != 1 {
		t.Errorf("the check of a gateway that has ended: exit status %d", code)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// configMap is a folder as the kubelet mounts it. Each file is a link into ..data. That is a link to a folder, which is
// replaced as a whole.
type configMap struct {
	t        *testing.T
	dir      string
	versions int
}

func newConfigMap(t *testing.T) *configMap {
	m := &configMap{t: t, dir: t.TempDir()}
	must(t, os.Chmod(m.dir, 0o755))
	return m
}

// set replaces all files.
func (m *configMap) set(files map[string]string) {
	m.t.Helper()
	m.versions++
	version := fmt.Sprintf("..version-%d", m.versions)
	must(m.t, os.Mkdir(filepath.Join(m.dir, version), 0o755))
	for name, text := range files {
		file := filepath.Join(m.dir, version, name)
		writeFile(m.t, file, text)
		must(m.t, os.Chmod(file, 0o644))
		link := filepath.Join(m.dir, name)
		if _, err := os.Lstat(link); err != nil {
			must(m.t, os.Symlink(filepath.Join("..data", name), link))
		}
	}
	must(m.t, os.Symlink(version, filepath.Join(m.dir, "..new")))
	must(m.t, os.Rename(filepath.Join(m.dir, "..new"), filepath.Join(m.dir, "..data")))
	if m.versions > 1 {
		must(m.t, os.RemoveAll(filepath.Join(m.dir, fmt.Sprintf("..version-%d", m.versions-1))))
	}
}
