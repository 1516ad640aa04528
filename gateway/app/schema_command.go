package app

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/plugin"
)

func schemaCommand(set plugin.Set) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Long: `Prints the JSON Schema (2020-12) of a configuration with the plugins of this gateway: options,
defaults, values and documentation. Editors with the YAML language server complete and explain
options with it, where the first line of the configuration is

  # yaml-language-server: $schema=gateway.schema.json

gateway check finds more: what depends on several options, and expressions.`,
		Example: `  gateway schema > gateway.schema.json`,
		Args:    noArgs,
		RunE:    runs(func(cmd *cobra.Command, _ []string) error { return writeSchema(cmd.OutOrStdout(), set) }),
	}
}

// writeSchema writes the schema of a configuration.
func writeSchema(w io.Writer, set plugin.Set) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	return enc.Encode(config.Schema(set))
}
