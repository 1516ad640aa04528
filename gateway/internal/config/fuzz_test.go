package config_test

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad proves that no content of a file makes Load panic.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "../../../gateway.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), "fuzz.yaml")
	env := map[string]string{"DATABASE_URL": "postgres://db", "REDIS_URL": "redis://bus", "TEXT": "text"}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = check(env, file) // with any result
	})
}
