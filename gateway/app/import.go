package app

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/plugin"
)

// importedSettings lists the settings of the former Node.js system, and their use in the gateway.
var importedSettings = []struct{ name, use string }{
	{"DATABASE_URL", "url of the source orders_db"},
	{"REDIS_URL", "url of the source orders_bus and of the sink bus"},
	{"PORT", "http.listen"},
	{"WS_URL", "what gateway tail connects to; the gateway itself does not use it"},
	{"DEBUG", "log.level debug, where it is set and not 0 or false"},
}

func importCommand(set plugin.Set) *cobra.Command {
	out := defaultFile
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Write the configuration for the .env of the Node.js system, and print what its settings become",
		Long: `Reads the .env of the Node.js system, prints what each of its settings becomes, and writes the
configuration that uses them: that of gateway init. It copies no value, so that passwords stay
where they are: the gateway reads the .env of its folder, or the file that --env-file names.`,
		Example: `  gateway import .env
  gateway import ../orders/.env -o orders.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			names, env, err := config.ReadDotenv(args[0])
			if err != nil {
				return err
			}
			if err := reportImport(cmd.OutOrStdout(), args[0], names, env); err != nil {
				return err
			}
			text, err := starters[0].text("")
			if err != nil {
				return err
			}
			next := "gateway"
			if out != defaultFile {
				next += " -c " + out
			}
			if args[0] != ".env" {
				next += " --env-file " + args[0]
			}
			return writeStarter(cmd.OutOrStdout(), set, out, text, strings.Replace(next, "gateway", "gateway check --live", 1)+"\n  "+next)
		}),
	}
	cmd.Flags().StringVarP(&out, "output", "o", out, "`file` to write")
	return cmd
}

// reportImport prints what the settings of a file become. It prints no values.
func reportImport(w io.Writer, file string, names []string, env config.Env) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	given := func(name string) bool { value, _, err := env.Lookup(name); return err == nil && value != "" }
	for _, s := range importedSettings {
		if given(s.name) {
			fmt.Fprintf(tw, "%s\t%s\n", s.name, s.use)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(importedSettings, func(s struct{ name, use string }) bool { return s.name == name || s.name+"_FILE" == name }) {
			fmt.Fprintf(tw, "%s\tnot used, unless the configuration has ${%s}\n", name, name)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, warning := range env.Warnings() {
		fmt.Fprintf(w, "warning: %s\n", warning.Error())
	}
	if given("DATABASE_URL") != given("REDIS_URL") {
		missing := "REDIS_URL"
		if given(missing) {
			missing = "DATABASE_URL"
		}
		fmt.Fprintf(w, "warning: %s does not set %s: the gateway starts only where both are set, or none\n", file, missing)
	}
	return nil
}
