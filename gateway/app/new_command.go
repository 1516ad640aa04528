package app

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"eventgateway/gateway/options"
)

//go:embed scaffold/*.tmpl
var scaffold embed.FS

var scaffoldKinds = []string{"source", "transform", "sink"}

func newCommand() *cobra.Command {
	p := newPlugin{}
	cmd := &cobra.Command{
		Use:   "new plugin source|transform|sink NAME",
		Short: "Write a plugin to begin with",
		Long: `Writes a Go module with a plugin: its code, a test with the suite of the contract, a README with the table of its
options, a gateway.yaml with a test, and the main.go of a gateway with it. All of it works as it is written. It overwrites no file.

A plugin in another language is a program of the types exec: gateway plugins exec.`,
		Example:   `  gateway new plugin sink mail --source ~/eventgateway`,
		ValidArgs: []string{"plugin"},
		Args:      cobra.ExactArgs(3),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if args[0] != "plugin" {
				return errors.New(options.UnknownName(fmt.Sprintf("thing %q", args[0]), args[0], []string{"plugin"}))
			}
			p.Kind, p.Name = args[1], args[2]
			return p.write(cmd.Context(), cmd.OutOrStdout())
		}),
	}
	cmd.Flags().StringVar(&p.Module, "module", "", "`path` of the module; without it example.com/NAME")
	cmd.Flags().StringVar(&p.dir, "dir", "", "`folder` to write; without it NAME")
	cmd.Flags().StringVar(&p.source, "source", "", "`folder` with the source of the gateway")
	return cmd
}

// newPlugin is a plugin that is written. The exported fields are those of the templates.
type newPlugin struct {
	Kind, Name, Module, Package, Usage string
	dir, source                        string
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// write writes the files of the plugin, and prints what to do next.
func (p *newPlugin) write(ctx context.Context, w io.Writer) error {
	kind := false
	for _, k := range scaffoldKinds {
		kind = kind || k == p.Kind
	}
	switch {
	case !kind:
		return errors.New(options.UnknownName(fmt.Sprintf("kind %q", p.Kind), p.Kind, scaffoldKinds))
	case !pluginName.MatchString(p.Name):
		return fmt.Errorf("the name %q is malformed: use lower case letters, digits and -, a letter first", p.Name)
	}
	source, err := checkout(p.source)
	if err != nil {
		return err
	}
	if p.Module == "" {
		p.Module = "example.com/" + p.Name
	}
	if p.dir == "" {
		p.dir = p.Name
	}
	p.Package = strings.ReplaceAll(p.Name, "-", "")
	if p.Package == p.Kind { // the type of the plugin has this name
		p.Package += "plugin"
	}
	if usage, err := p.render("usage.md"); err != nil {
		return err
	} else {
		p.Usage = string(usage)
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "cmd", "gateway"), 0o755); err != nil {
		return err
	}
	for _, f := range []struct{ file, template string }{
		{p.Package + ".go", p.Kind + ".go"}, {p.Package + "_test.go", p.Kind + "_test.go"}, {"README.md", p.Kind + ".md"}, {"gateway.yaml", p.Kind + ".yaml"},
		{filepath.Join("cmd", "gateway", "main.go"), "main.go"},
	} {
		text, err := p.render(f.template)
		if err != nil {
			return err
		}
		if err := writeNew(filepath.Join(p.dir, f.file), text); err != nil {
			return err
		}
	}
	if err := writeModule(p.dir, p.Module, source); err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s\n\nnext:\n  cd %s\n  go test ./...\n  go run ./cmd/gateway\n", p.dir, p.dir)
	return ctx.Err()
}

// render fills in a template.
func (p *newPlugin) render(name string) ([]byte, error) {
	text, err := scaffold.ReadFile("scaffold/" + name + ".tmpl")
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Delims("[[", "]]").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}
