package app

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

//go:embed starters/*.yaml
var starterFiles embed.FS

// starter is a configuration to begin with.
type starter struct{ name, summary, next string }

// starters are the configurations that `gateway init` writes, the default first.
var starters = []starter{
	{"orders", "changes of the table orders over Redis to browsers; runs without servers of yours",
		"gateway"},
	{"durable", "the same without loss: outbox, Redis stream, browsers, and an HTTP endpoint with retries",
		"gateway webhook listen --address :8090     # in another terminal: the endpoint\n  gateway"},
	{"table", "changes of a table of yours to browsers, without loss; --table names it",
		"export DATABASE_URL=postgres://USER:PASSWORD@HOST/DATABASE\n  gateway sql --mode outbox --table TABLE --apply\n  gateway check --live\n  gateway"},
	{"webhook", "changes of the table orders to an HTTP endpoint, refused ones to a file",
		"gateway webhook listen --address :9000     # in another terminal: the endpoint\n  export WEBHOOK_URL=http://localhost:9000\n  gateway"},
}

// schemaFile is the name of the JSON Schema beside a configuration.
const schemaFile = "gateway.schema.json"

// modeline names the schema to editors, in the first line of a configuration.
const modeline = "# yaml-language-server: $schema=" + schemaFile + "\n"

func initCommand(set plugin.Set) *cobra.Command {
	table, out := "", defaultFile
	var list strings.Builder
	var names []string
	for _, s := range starters {
		names = append(names, s.name)
		fmt.Fprintf(&list, "  %-8s %s\n", s.name, s.summary)
	}
	cmd := &cobra.Command{
		Use:   "init [" + strings.Join(names, " | ") + "]",
		Short: "Write a commented configuration to begin with",
		Long: `Writes a commented configuration to begin with, and beside it gateway.schema.json, with which
editors complete its options. It overwrites no file.

` + list.String() + `
Without a name it writes orders.`,
		Example: `  gateway init
  gateway init table --table shop.items`,
		ValidArgs: names,
		Args:      cobra.MaximumNArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			chosen := starters[0]
			if len(args) > 0 {
				found := false
				for _, s := range starters {
					if s.name == args[0] {
						chosen, found = s, true
					}
				}
				if !found {
					return errors.New(options.UnknownName(fmt.Sprintf("configuration %q", args[0]), args[0], names))
				}
			}
			text, err := chosen.text(table)
			if err != nil {
				return err
			}
			next := strings.ReplaceAll(chosen.next, "TABLE ", table+" ")
			if out != defaultFile {
				next = strings.TrimSuffix(next, "gateway") + "gateway -c " + out
			}
			return writeStarter(cmd.OutOrStdout(), set, out, text, next)
		}),
	}
	cmd.Flags().StringVar(&table, "table", "", "`name` of your table, for init table: items, or shop.items")
	cmd.Flags().StringVarP(&out, "output", "o", out, "`file` to write")
	return cmd
}

// tableName matches the names that need no quotes, neither in YAML nor in SQL.
var tableName = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)

// text returns the configuration, with the table in place of the one in the file.
func (s starter) text(table string) ([]byte, error) {
	text, err := starterFiles.ReadFile("starters/" + s.name + ".yaml")
	switch {
	case err != nil:
		return nil, err
	case s.name != "table" && table != "":
		return nil, errors.New("--table is for: gateway init table")
	case s.name != "table":
		return text, nil
	case table == "":
		return nil, errors.New("which table? gateway init table --table NAME")
	case !tableName.MatchString(table):
		return nil, fmt.Errorf("the table %q cannot be put into the file as it is: write --table items, and change the name in the file", table)
	}
	full := table
	if !strings.Contains(table, ".") {
		full = "public." + table
	}
	text = bytes.ReplaceAll(text, []byte("public.items"), []byte(full))
	text = bytes.ReplaceAll(text, []byte("--table items "), []byte("--table "+table+" "))
	return bytes.ReplaceAll(text, []byte("[items]"), []byte("["+table+"]")), nil
}

// writeStarter writes a configuration and its schema, and prints what to do next.
func writeStarter(w io.Writer, set plugin.Set, path string, text []byte, next string) error {
	if err := writeNew(path, append([]byte(modeline), text...)); err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s\n", path)
	var schema bytes.Buffer
	if err := writeSchema(&schema, set); err != nil {
		return err
	}
	file := filepath.Join(filepath.Dir(path), schemaFile)
	switch err := writeNew(file, schema.Bytes()); {
	case err == nil:
		fmt.Fprintf(w, "wrote %s, for editors\n", file)
	case !errors.Is(err, fs.ErrExist): // one that exists stays
		return err
	}
	fmt.Fprintf(w, "\nnext:\n  %s\n", next)
	return nil
}

// writeNew writes a file that does not exist yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: it is left as it is; name another by -o", err)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
