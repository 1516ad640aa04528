package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/deadletter"
	"eventgateway/gateway/plugin"
)

func deadLettersCommand(set plugin.Set, f *flags) *cobra.Command {
	var api apiFlags
	asJSON := false
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "List the dead letters that a running gateway holds in memory, show or replay them",
		Long: `Lists the dead letters that a running gateway holds in memory: the latest events that could
not be delivered, have no dead_letter sink, and are from a source that cannot replay. Dead
letters in a file are for gateway replay.` + helpAPI,
		Example: `  gateway dead-letters
  gateway dead-letters show 17
  gateway dead-letters replay 17 18 --to shop`,
		Args: noArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			letters, body, err := fetchDeadLetters(cmd.Context(), &api, f)
			switch {
			case err != nil:
				return err
			case asJSON:
				_, err = cmd.OutOrStdout().Write(body)
				return err
			}
			return printDeadLetters(cmd.OutOrStdout(), letters)
		}),
	}
	api.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer of /api/dead-letters")
	cmd.AddCommand(deadLettersShow(f), deadLettersReplay(set, f))
	return cmd
}

func deadLettersShow(f *flags) *cobra.Command {
	var api apiFlags
	cmd := &cobra.Command{
		Use:   "show NUMBER",
		Short: "Print a dead letter, with its whole payload",
		Args:  cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			letters, _, err := fetchDeadLetters(cmd.Context(), &api, f)
			if err != nil {
				return err
			}
			chosen, err := chooseDeadLetters(letters, args)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			return enc.Encode(chosen[0])
		}),
	}
	api.add(cmd)
	return cmd
}

func deadLettersReplay(set plugin.Set, f *flags) *cobra.Command {
	var api apiFlags
	to, all := "", false
	cmd := &cobra.Command{
		Use:   "replay NUMBER... --to SINK",
		Short: "Send dead letters of a running gateway to a sink of the configuration",
		Long: `Sends dead letters of a running gateway to a sink of the configuration, as gateway replay
sends those of a file: unchanged, in their order, with their IDs, and not through a route. The
running gateway does not take part, and its list stays as it is.

The exit status is 0 if all were delivered, else 1.` + helpAPI,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("which dead letters? give their numbers, or --all for all in the list")
			}
			letters, _, err := fetchDeadLetters(cmd.Context(), &api, f)
			if err != nil {
				return err
			}
			if !all {
				if letters, err = chooseDeadLetters(letters, args); err != nil {
					return err
				}
			}
			return replay(cmd.Context(), cmd.OutOrStdout(), set, f, to, func(emit func(at string, e *event.Event) error, _ func(string)) error {
				for i := range letters {
					if err := emit(fmt.Sprintf("dead letter %d", letters[i].Number), letters[i].Event()); err != nil {
						return err
					}
				}
				return nil
			})
		}),
	}
	api.add(cmd)
	addTo(cmd, &to, set, f)
	cmd.Flags().BoolVar(&all, "all", false, "replay all dead letters in the list")
	return cmd
}

// fetchDeadLetters returns the dead letters of a running gateway, the oldest first, and its answer.
func fetchDeadLetters(ctx context.Context, api *apiFlags, f *flags) (letters []deadletter.Letter, body []byte, err error) {
	c, err := api.client(f)
	if err != nil {
		return nil, nil, err
	}
	body, err = c.get(ctx, "/api/dead-letters", &letters)
	return letters, body, err
}

// chooseDeadLetters returns the dead letters with these numbers, in the order of the list.
func chooseDeadLetters(letters []deadletter.Letter, numbers []string) (chosen []deadletter.Letter, err error) {
	var wanted []uint64
	for _, text := range numbers {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not the number of a dead letter: gateway dead-letters lists them", text)
		}
		if !slices.ContainsFunc(letters, func(l deadletter.Letter) bool { return l.Number == n }) {
			return nil, fmt.Errorf("there is no dead letter %d in the list: gateway dead-letters prints it", n)
		}
		wanted = append(wanted, n)
	}
	for _, l := range letters {
		if slices.Contains(wanted, l.Number) {
			chosen = append(chosen, l)
		}
	}
	return chosen, nil
}

// printDeadLetters prints a table of dead letters, the latest last.
func printDeadLetters(w io.Writer, letters []deadletter.Letter) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintln(w, "there are no dead letters in memory")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "NUMBER\tTIME\tCOMPONENT\tATTEMPTS\tID\tBYTES\tREASON\n")
	for _, l := range letters {
		id := l.ID
		if id == "" {
			id = "-"
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\t%d\t%s\t%d\t%s\n", l.Number, l.Time.Local().Format(time.DateTime), oneLine(l.Component), l.Attempts, oneLine(id), len(l.Data), oneLine(strings.TrimSpace(l.Reason)))
	}
	return tw.Flush()
}
