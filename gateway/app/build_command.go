package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func buildCommand() *cobra.Command {
	var with []string
	var source, output string
	cmd := &cobra.Command{
		Use:   "build --with MODULE[@VERSION][=PATH] ...",
		Short: "Build a gateway with plugins of others",
		Long: `Builds a gateway with its own plugins and those of Go modules. The package at the path of the module lists its plugins:

  func Plugins() plugin.Set

PATH is the folder of a module on this machine. --with PATH alone reads the name of the module there; such a path begins with . or /.
It needs Go, and the source of the gateway: it is called in a checkout, or in a module that replaces ` + gatewayModule + ` by one, or
with --source. Modules that are not on this machine are fetched as the go command does.`,
		Example: `  gateway build --with . -o ./gateway
  gateway build --with shop.example/plugins/mail@v1.2.0 --with shop.example/plugins/rss=../rss --source ~/eventgateway`,
		Args: noArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			if len(with) == 0 {
				return errors.New("no plugins are named: give each module by --with MODULE")
			}
			return build(cmd.Context(), cmd.ErrOrStderr(), with, source, output)
		}),
	}
	cmd.Flags().StringArrayVar(&with, "with", nil, "`module` with plugins; may be given several times")
	cmd.Flags().StringVar(&source, "source", "", "`folder` with the source of the gateway")
	cmd.Flags().StringVarP(&output, "output", "o", "gateway", "`file` to write")
	return cmd
}

// addition is a module with plugins.
type addition struct{ module, version, path string }

// parseAddition parses MODULE[@VERSION][=PATH], or PATH.
func parseAddition(text string) (a addition, err error) {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/") {
		a.path = text
		if a.module, err = moduleOf(text); err != nil {
			return a, fmt.Errorf("--with %s: %w", text, err)
		}
	} else {
		a.module, a.path, _ = strings.Cut(text, "=")
		a.module, a.version, _ = strings.Cut(a.module, "@")
	}
	if a.module == "" || strings.ContainsAny(a.module, " \"\\`") {
		return a, fmt.Errorf("--with %s names no module: write MODULE, MODULE@VERSION, MODULE=PATH, or a path that begins with . or /", text)
	}
	if a.path != "" {
		if a.path, err = filepath.Abs(a.path); err != nil {
			return a, err
		}
		if _, err := os.Stat(filepath.Join(a.path, "go.mod")); err != nil {
			return a, fmt.Errorf("--with %s: there is no module: %w", text, err)
		}
	}
	return a, nil
}

// build builds a gateway with modules. The output of the go command goes to w.
func build(ctx context.Context, w io.Writer, with []string, source, output string) error {
	var all []addition
	for _, text := range with {
		a, err := parseAddition(text)
		if err != nil {
			return err
		}
		all = append(all, a)
	}
	source, err := checkout(source)
	if err != nil {
		return err
	}
	if output, err = filepath.Abs(output); err != nil {
		return err
	}
	if info, err := os.Stat(output); err == nil && info.IsDir() {
		output = filepath.Join(output, "gateway")
	}
	dir, err := os.MkdirTemp("", "gateway-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeModule(dir, "gateway", source); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(customMain(all)), 0o600); err != nil {
		return err
	}
	for _, a := range all {
		if err := a.require(ctx, w, dir); err != nil {
			return err
		}
	}
	next := filepath.Join(dir, "built")
	if err := runGo(ctx, w, dir, "build", "-mod=mod", "-ldflags=-s -w", "-o", next, "."); err != nil {
		return fmt.Errorf("%w: see that each module has func Plugins() plugin.Set", err)
	}
	// It refuses to start if its types are invalid, such as two of one name.
	if text, err := exec.CommandContext(ctx, next, "plugins").CombinedOutput(); err != nil {
		return fmt.Errorf("the gateway was built, and does not start: %s", strings.TrimSpace(string(text)))
	}
	if err := install(next, output); err != nil {
		return err
	}
	fmt.Fprintf(w, "built %s\n", output)
	return nil
}

// require adds a module to the go.mod in a folder.
func (a addition) require(ctx context.Context, w io.Writer, dir string) error {
	if a.path != "" {
		return runGo(ctx, w, dir, "mod", "edit", "-require="+a.module+"@v0.0.0", "-replace="+a.module+"="+a.path)
	}
	version := a.version
	if version == "" {
		version = "latest"
	}
	return runGo(ctx, w, dir, "get", a.module+"@"+version)
}

// install moves a program to a path, perhaps on another file system. A program there that runs goes on.
func install(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	next := to + ".new"
	if err := os.WriteFile(next, text, 0o755); err != nil {
		return err
	}
	return os.Rename(next, to)
}

// customMain returns the main.go of a gateway with more modules.
func customMain(with []addition) string {
	var imports, sets strings.Builder
	for i, a := range with {
		fmt.Fprintf(&imports, "\tplugins%d %q\n", i, a.module)
		fmt.Fprintf(&sets, ", plugins%d.Plugins()", i)
	}
	return `// Command gateway is a gateway with more plugins.
package main

import (
	"eventgateway/gateway/app"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"

` + imports.String() + `)

func main() {
	own := plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()}
	app.Main(own.Join(` + strings.TrimPrefix(sets.String(), ", ") + `), app.Programs(sources.Program, transforms.Program, sinks.Program))
}
`
}
