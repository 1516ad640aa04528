package app

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/plugin"
)

func deadLettersDryRun(set plugin.Set, f *flags) *cobra.Command {
	var api apiFlags
	to, file := "", ""
	cmd := &cobra.Command{
		Use:   "dry-run NUMBER",
		Short: "Show what would become of a dead letter if it was replayed",
		Long: `Shows what each transform would make of a dead letter, and which sinks would get it. Nothing is
written. A letter on which a transform has failed begins at that transform.` + helpAPI,
		Example: `  gateway dead-letters dry-run 17
  gateway dead-letters dry-run 17 --data mended.json`,
		Args: cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			n, err := letterNumber(args[0])
			if err != nil {
				return err
			}
			body, err := letterBodyOf(cmd.InOrStdin(), to, file)
			if err != nil {
				return err
			}
			c, err := api.client(f)
			if err != nil {
				return err
			}
			var result admin.DryRunResult
			if err := c.callLetter(cmd.Context(), http.MethodPost, n, "/dry-run", body, &result); err != nil {
				return err
			}
			return printDryRun(cmd.OutOrStdout(), &result)
		}),
	}
	api.add(cmd)
	addPlace(cmd, &to, &file, set, f)
	return cmd
}

// printDryRun prints the result of a dry run, in the form of gateway tap.
func printDryRun(w io.Writer, r *admin.DryRunResult) error {
	fmt.Fprintf(w, "to %s", r.Place)
	if r.From != "" {
		fmt.Fprintf(w, ", from the transform %s on", r.From)
	}
	fmt.Fprintln(w)
	for i := range r.Items {
		if _, err := io.WriteString(w, tapText(&r.Items[i])); err != nil {
			return err
		}
	}
	for _, s := range r.Sinks {
		for _, p := range s.Payloads {
			text, _ := p.MarshalText() // it has no errors
			fmt.Fprintf(w, "the sink %s would get %s\n", s.Sink, oneLine(string(text)))
		}
	}
	if r.Failed != "" {
		return fmt.Errorf("it would fail again: %s", r.Failed)
	}
	if len(r.Sinks) == 0 {
		_, err := fmt.Fprintln(w, "no sink would get it")
		return err
	}
	return nil
}
