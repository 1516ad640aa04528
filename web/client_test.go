package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestClientHasItsTypes proves that the types in the comments of the client are those of its code, and those in
// web/client/types.
func TestClientHasItsTypes(t *testing.T) {
	const tsc = "../.ci/node_modules/.bin/tsc"
	dir := t.TempDir()
	if out, err := exec.Command(tsc, "-p", "client", "--outDir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: run .ci/prepare if it is missing\n%s", tsc, err, out)
	}
	made, kept := read(t, dir), read(t, "client/types")
	if len(made) < 5 {
		t.Errorf("only %d files have types", len(made))
	}
	for name := range kept {
		if _, ok := made[name]; !ok {
			t.Errorf("client/types/%s has no code: remove it", name)
		}
	}
	for name, text := range made {
		switch {
		case text == kept[name]:
		case os.Getenv("TYPES_UPDATE") == "":
			t.Errorf("client/types/%s is old: TYPES_UPDATE=1 go test ./web writes it", name)
		default:
			path := filepath.Join("client/types", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// read returns the text of all files in a folder, by their paths.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		texts[name] = string(text)
		return err
	}); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return texts
}

// TestOtherOriginsMayImportTheClient proves that pages of any origin may import the client, and not read the dashboard.
func TestOtherOriginsMayImportTheClient(t *testing.T) {
	for path, want := range map[string]string{"/client/index.js": "*", "/client/src/client.js": "*", "/js/main.js": "", "/": ""} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != 200 || got != want {
			t.Errorf("%s: status %d, allowed origin %q, want %q", path, w.Code, got, want)
		}
		if strings.HasSuffix(path, ".js") && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
			t.Errorf("%s has the type %s", path, w.Header().Get("Content-Type"))
		}
	}
}
