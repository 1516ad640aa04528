package app

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/admin"
)

func logLevelCommand(f *flags) *cobra.Command {
	var api apiFlags
	component := ""
	cmd := &cobra.Command{
		Use:   "log-level [LEVEL]",
		Short: "Print the levels of the log of a running gateway, or change one",
		Long: `Prints the lowest levels that a running gateway logs. With LEVEL (debug, info, warn or error) it
changes the level of all components that have none of their own, or of one component, first.
The change lasts until the next reload or start.` + helpAPI,
		Example: `  gateway log-level
  gateway log-level debug --component shop`,
		Args: cobra.MaximumNArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if component != "" && len(args) == 0 {
				return fmt.Errorf("no level is given for %s: write gateway log-level LEVEL --component %s", component, component)
			}
			c, err := api.client(f)
			if err != nil {
				return err
			}
			var st admin.LogLevelStatus
			if len(args) == 0 {
				_, err = c.get(cmd.Context(), "/api/log-level", &st)
			} else {
				query := url.Values{"level": {args[0]}, "component": {component}}
				_, _, err = c.do(cmd.Context(), http.MethodPost, "/api/log-level?"+query.Encode(), &st, http.StatusOK)
			}
			if err != nil {
				return err
			}
			return printLogLevels(cmd.OutOrStdout(), st)
		}),
		ValidArgs: []string{"debug", "info", "warn", "error"},
	}
	api.add(cmd)
	cmd.Flags().StringVar(&component, "component", "", "`name` of a source, transform, sink or route; without it, the level of all that have none of their own")
	return cmd
}

// printLogLevels prints the level of all, and those of single components.
func printLogLevels(w io.Writer, st admin.LogLevelStatus) error {
	var b strings.Builder
	fmt.Fprintln(&b, oneLine(st.Level))
	for _, name := range slices.Sorted(maps.Keys(st.Components)) {
		fmt.Fprintf(&b, "%s: %s\n", oneLine(name), oneLine(st.Components[name]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
