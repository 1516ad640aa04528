package app

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/plugin"
)

func checkCommand(set plugin.Set, f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with a configuration, without connecting to anything",
		Long: `Reads the configuration, builds everything in it, and says what is wrong, each
problem with file:line:col. Nothing is connected to. The exit status is 0 where
the configuration is right and 1 where it is not.`,
		Args: cobra.NoArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.load(set)
			if err != nil {
				return err
			}
			cfg.SetPrivate("postgres://private", "redis://private") // nothing is started here
			if _, err := assemble(cfg, slog.New(slog.DiscardHandler)); err != nil {
				return err
			}
			g := cfg.Graph
			fmt.Fprintf(cmd.OutOrStdout(), "%s is right: %d sources, %d routes, %d sinks\n",
				strings.Join(f.files, " + "), len(g.Sources), len(g.Routes), len(g.Sinks))
			return nil
		}),
	}
}
