package app

import (
	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/plugin"
)

// completeFlag completes a flag of a command by names of the configuration, in the shells for which
// `gateway completion` prints a script.
func completeFlag(cmd *cobra.Command, flag string, set plugin.Set, f *flags, names func(*config.Config) []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		all := *f
		all.routes, all.offline = nil, true // variables need not be set
		cfg, err := all.load(set, nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(cfg), cobra.ShellCompDirectiveNoFileComp
	}) // it fails only for an unknown flag
}

// routeNames returns the names of the routes.
func routeNames(cfg *config.Config) (names []string) {
	for _, r := range cfg.Graph.Routes {
		names = append(names, r.Name)
	}
	return names
}

// sinkNames returns the names of the sinks.
func sinkNames(cfg *config.Config) (names []string) {
	for _, s := range cfg.Graph.Sinks {
		names = append(names, s.Name)
	}
	return names
}
