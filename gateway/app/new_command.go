package app

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"eventgateway/gateway/options"
)

//go:embed scaffold/*.tmpl
var scaffold embed.FS

var (
	scaffoldKinds     = []string{"source", "transform", "sink"}
	scaffoldLanguages = []string{"go", "python", "shell"}
)

func newCommand() *cobra.Command {
	p := newPlugin{}
	cmd := &cobra.Command{
		Use:   "new plugin source|transform|sink NAME",
		Short: "Write a plugin to begin with",
		Long: `Writes a Go module with a plugin: its code, a test with the suite of the contract, a README with the table of its
options, a gateway.yaml with a test, and the main.go of a gateway with it.

With --lang python or shell it writes a folder with a program that the gateway starts, its manifest, a README and a
gateway.yaml with a test. The protocol of programs in any language is gateway/childproc/README.md.

All of it works as it is written. It overwrites no file.`,
		Example: `  gateway new plugin sink mail --source ~/eventgateway
  gateway new plugin sink mail --lang python`,
		ValidArgs: []string{"plugin"},
		Args:      cobra.ExactArgs(3),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if args[0] != "plugin" {
				return errors.New(options.UnknownName(fmt.Sprintf("thing %q", args[0]), args[0], []string{"plugin"}))
			}
			p.Kind, p.Name = args[1], args[2]
			if err := p.check(); err != nil {
				return err
			}
			if p.Lang == "go" {
				return p.writeModule(cmd.OutOrStdout())
			}
			return p.writeProgram(cmd.OutOrStdout())
		}),
	}
	cmd.Flags().StringVar(&p.Lang, "lang", "go", "`language`: "+strings.Join(scaffoldLanguages, ", "))
	cmd.Flags().StringVar(&p.Module, "module", "", "`path` of the module; without it example.com/NAME")
	cmd.Flags().StringVar(&p.dir, "dir", "", "`folder` to write; without it NAME")
	cmd.Flags().StringVar(&p.source, "source", "", "`folder` with the source of the gateway")
	return cmd
}

// newPlugin is a plugin that is written. The exported fields are those of the templates.
type newPlugin struct {
	Kind, Name, Lang       string
	Module, Package, Usage string // of one in Go
	Program, Try           string // of one in another language: its file, and flags with which `gateway conformance` can try it
	dir, source            string
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// check returns what is wrong with the command line.
func (p *newPlugin) check() error {
	switch {
	case !slices.Contains(scaffoldKinds, p.Kind):
		return errors.New(options.UnknownName(fmt.Sprintf("kind %q", p.Kind), p.Kind, scaffoldKinds))
	case !slices.Contains(scaffoldLanguages, p.Lang):
		return errors.New(options.UnknownName(fmt.Sprintf("language %q", p.Lang), p.Lang, scaffoldLanguages))
	case !pluginName.MatchString(p.Name):
		return fmt.Errorf("the name %q is malformed: use lower case letters, digits and -, a letter first", p.Name)
	case p.Lang != "go" && p.Module+p.source != "":
		return errors.New("--module and --source are for a plugin in Go: remove them")
	}
	if p.dir == "" {
		p.dir = p.Name
	}
	return nil
}

// writeModule writes the Go module of the plugin, and prints what to do next.
func (p *newPlugin) writeModule(w io.Writer) error {
	source, err := checkout(p.source)
	if err != nil {
		return err
	}
	if p.Module == "" {
		p.Module = "example.com/" + p.Name
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
		if err := p.writeFile(f.file, f.template); err != nil {
			return err
		}
	}
	if err := writeModule(p.dir, p.Module, source); err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s\n\nnext:\n  cd %s\n  go test ./...\n  go run ./cmd/gateway\n", p.dir, p.dir)
	return nil
}

// writeProgram writes the folder of a plugin in another language, and prints what to do next.
func (p *newPlugin) writeProgram(w io.Writer) error {
	extension := map[string]string{"python": ".py", "shell": ".sh"}[p.Lang]
	p.Program = p.Name + extension
	switch {
	case p.Kind == "sink":
		p.Try = `--options '{"path":"/tmp/out.txt"}' `
	case p.Kind == "transform" && p.Lang == "shell":
		p.Try = `--options '{"word":"INSERT"}' `
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	for _, f := range []struct{ file, template string }{
		{p.Program, p.Kind + extension}, {p.Program + ".json", p.Kind + ".json"}, {"README.md", "program.md"}, {"gateway.yaml", "program.yaml"},
	} {
		if err := p.writeFile(f.file, f.template); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(p.dir, p.Program), 0o755); err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s\n\nnext:\n  cd %s\n  export GATEWAY_PLUGINS=$PWD\n  gateway conformance %s./%s\n  gateway test\n  gateway\n", p.dir, p.dir, p.Try, p.Program)
	return nil
}

// writeFile writes a file of the plugin by a template.
func (p *newPlugin) writeFile(file, template string) error {
	text, err := p.render(template)
	if err != nil {
		return err
	}
	return writeNew(filepath.Join(p.dir, file), text)
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
