package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/admin"
)

func reloadCommand(f *flags) *cobra.Command {
	var api apiFlags
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make a running gateway load its configuration again, and print the result",
		Long: `Makes a running gateway load its configuration again, as SIGHUP does, and waits for the
result. The gateway reads its own files, with its own environment; .env and the files of NAME_FILE
are read again, too. After an error the running configuration stays, the problems are printed, and
the exit status is 1.` + helpAPI,
		Args: noArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			c, err := api.client(f)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 70*time.Second) // longer than the gateway takes
			defer cancel()
			var result admin.ReloadStatus
			if _, _, err := c.do(ctx, http.MethodPost, "/api/reload", &result, http.StatusOK, http.StatusUnprocessableEntity); err != nil {
				return err
			}
			if !result.Successful {
				return errors.New(printable(result.Error) + "\nthe reload failed, the running configuration stays")
			}
			fmt.Fprintln(cmd.OutOrStdout(), "configuration reloaded")
			if len(result.RestartNeeded) > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "restart needed for changed settings: %s\n", oneLine(strings.Join(result.RestartNeeded, ", ")))
			}
			return nil
		}),
	}
	api.add(cmd)
	return cmd
}

// printable returns text of several lines with its unprintable characters quoted.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = oneLine(lines[i])
	}
	return strings.Join(lines, "\n")
}
