// Package plugintest is the conformance suite of the plugin contract. Every
// plugin runs it, ours and a stranger's:
//
//	func TestConformance(t *testing.T) {
//		plugintest.Sink(t, plugintest.SinkHarness{Type: Type(), ...})
//	}
//
// It also keeps the options table in the plugin's README.md true; run the tests
// with PLUGINTEST_UPDATE=1 to have it written.
package plugintest

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// wait is how long the suite waits for what should come at once.
const wait = 20 * time.Second

// Name is the component's name in the suite.
const Name = "conformance"

// Env is an environment for one instance.
func Env(t testing.TB) plugin.Env {
	return plugin.Env{
		Name: Name, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Metrics: prometheus.NewRegistry(), HTTP: NewMounter(),
		Go:  func(f func(context.Context)) { go f(t.Context()) },
		Now: Now, NewID: func() string { return "00000000-0000-4000-8000-000000000001" },
	}
}

// Mounter is a plugin.Mounter that serves what was mounted on it.
type Mounter struct{ Pages, Upgrades *http.ServeMux }

// NewMounter returns an empty Mounter.
func NewMounter() *Mounter { return &Mounter{http.NewServeMux(), http.NewServeMux()} }

// Handle is part of [plugin.Mounter].
func (m *Mounter) Handle(pattern string, h http.Handler) error {
	m.Pages.Handle(pattern, h)
	return nil
}

// HandleUpgrade is part of [plugin.Mounter].
func (m *Mounter) HandleUpgrade(pattern string, h http.Handler) error {
	m.Upgrades.Handle(pattern, h)
	return nil
}

// table is the options table in a README.
var table = regexp.MustCompile(`(?s)\| option \| type \| default \| meaning \|\n.*?(\n\n|\z)`)

// documented checks what every type has: a name, a summary, options that are
// explained, and a README.md in the plugin's folder with the table of them.
func documented[T any](t *testing.T, typ plugin.Type[T]) {
	t.Helper()
	if typ.Summary() == "" {
		t.Errorf("the type %s has no summary", typ.Name())
	}
	for _, text := range options.Misfits(typ.Defaults()) {
		t.Error(text)
	}
	for _, key := range options.Keys(typ.Defaults()) {
		if slices.Contains(plugin.ReservedOptions(typ.Kind()), key) {
			t.Errorf("option %s: the name is the router's", key)
		}
	}
	rows := options.Rows(typ.Defaults())
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, want := string(text), options.Markdown(rows)
	if strings.Contains(readme, want) {
		return
	}
	if os.Getenv("PLUGINTEST_UPDATE") == "" || !table.MatchString(readme) {
		t.Fatalf("README.md lacks the options table, or has an old one (PLUGINTEST_UPDATE=1 writes it):\n%s", want)
	}
	readme = table.ReplaceAllLiteralString(readme, want+"\n")
	if err := os.WriteFile("README.md", []byte(strings.TrimRight(readme, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// build makes an instance with options as set sets them.
func build[T any](t testing.TB, typ plugin.Type[T], set func(opts any), env plugin.Env) T {
	t.Helper()
	opts := typ.Defaults()
	if set != nil {
		set(opts)
	}
	impl, err := typ.Build(opts, env)
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return impl
}
