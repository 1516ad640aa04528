package schema

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSchemasThatCannotBeRead proves that a $ref to a pipe is refused, and deep nesting, which would
// take the compiler minutes.
func TestSchemasThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	nested := func(depth int) string {
		return strings.Repeat(`{"items":`, depth) + "{}" + strings.Repeat("}", depth)
	}
	for name, text := range map[string]string{"other.json": `{"type":"string"}`, "deep.json": nested(5000)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		`{"$ref":"other.json"}`: "",
		`{"$ref":"pipe.json"}`:  "it is a pipe: name a regular file",
		`{"$ref":"deep.json"}`:  "is nested more than 200 deep",
		nested(5000):            "is nested more than 200 deep",
		nested(200):             "",
	} {
		_, err := compile(filepath.Join(dir, "main.json"), []byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
	}
}
