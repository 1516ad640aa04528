package main

import (
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// modules returns the folders with a go.mod: that of the repository, and those of modules within it.
func modules(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"): // .git is a file in a worktree
			return fs.SkipDir
		case d.Name() == "go.mod":
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(dirs, "..") || !slices.Contains(dirs, filepath.Join("..", "gateway", "full")) {
		t.Fatalf("the modules are in %v", dirs)
	}
	return dirs
}

// goList runs go list for all packages of the module in a folder, and returns its output.
func goList(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		t.Fatalf("go list in %s: %s", dir, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// full builds gateway-full once, and returns its path. It looks each second whether a certificate must be renewed.
var full = sync.OnceValues(func() (string, error) {
	return build("gateway-full", "full", "-ldflags", "-X eventgateway/gateway/full/acmeclient.checkEvery=1s")
})

// fullBinary returns the path of gateway-full.
func fullBinary(t testing.TB) string {
	t.Helper()
	path, err := full()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFullListsAllPlugins proves that gateway-full has every plugin of gateway.
func TestFullListsAllPlugins(t *testing.T) {
	light, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	list := func(path string) []string {
		out, err := exec.Command(path, "plugins").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(out), "\n")
	}
	all := list(fullBinary(t))
	for _, line := range list(light) {
		if !slices.Contains(all, line) {
			t.Errorf("gateway-full has no plugin %q", line)
		}
	}
}
