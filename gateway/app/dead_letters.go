package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/plugin"
)

func deadLettersCommand(set plugin.Set, f *flags) *cobra.Command {
	var api apiFlags
	var find letterFlags
	limit, asJSON := 0, false
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "Search the dead letters of a running gateway, show, replay or delete them",
		Long: `Lists dead letters of a running gateway: the events that could not be delivered, and have no
dead_letter sink. They are in the store that dead_letters.path names, or else the latest are in
memory. Dead letters in a file of a sink are for gateway replay.` + helpAPI,
		Example: `  gateway dead-letters --component shop --since 24h
  gateway dead-letters show 17
  gateway dead-letters dry-run 17
  gateway dead-letters replay --reason "503" --rate 50`,
		Args: noArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			c, err := api.client(f)
			if err != nil {
				return err
			}
			q, err := find.values()
			if err != nil {
				return err
			}
			if limit > 0 {
				q.Set("limit", strconv.Itoa(limit))
			}
			return listLetters(cmd.Context(), cmd.OutOrStdout(), c, q, asJSON)
		}),
	}
	api.add(cmd)
	find.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 0, "list the latest `N` (by default 1000)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer of /api/dead-letters")
	cmd.AddCommand(deadLettersShow(f), deadLettersDryRun(set, f), deadLettersReplay(set, f), deadLettersDelete(f), deadLettersDownload(f))
	return cmd
}

// letterFlags are the flags that search for dead letters.
type letterFlags struct{ component, reason, key, id, text, since, until string }

func (l *letterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.component, "component", "", "only those of a component, by a part of its `name`")
	cmd.Flags().StringVar(&l.reason, "reason", "", "only those with this `text` in their reason")
	cmd.Flags().StringVar(&l.key, "key", "", "only those of an event with this `key`")
	cmd.Flags().StringVar(&l.id, "id", "", "only those of the event with this `ID`")
	cmd.Flags().StringVar(&l.text, "text", "", "only those with this `text` in their payload or reason")
	cmd.Flags().StringVar(&l.since, "since", "", "only those from this `time` on, such as 24h (ago) or 2026-11-26T14:00:00Z")
	cmd.Flags().StringVar(&l.until, "until", "", "only those before this `time`")
}

// values returns the flags as the query of a request.
func (l *letterFlags) values() (url.Values, error) {
	q := url.Values{}
	for name, value := range map[string]string{"component": l.component, "reason": l.reason, "key": l.key, "id": l.id, "q": l.text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, value := range map[string]string{"since": l.since, "until": l.until} {
		if value == "" {
			continue
		}
		if ago, err := time.ParseDuration(value); err == nil {
			value = time.Now().Add(-ago).UTC().Format(time.RFC3339)
		} else if _, err := time.Parse(time.RFC3339, value); err != nil {
			return nil, fmt.Errorf("--%s %q is no time: write 24h for the time that long ago, or 2026-11-26T14:00:00Z", name, value)
		}
		q.Set(name, value)
	}
	return q, nil
}

// listLetters prints a table of dead letters, the latest last.
func listLetters(ctx context.Context, w io.Writer, c *apiClient, q url.Values, asJSON bool) error {
	path := "/api/dead-letters"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	var list []letters.Letter
	body, err := c.get(ctx, path, &list)
	switch {
	case err != nil:
		return err
	case asJSON:
		_, err = w.Write(body)
		return err
	case len(list) == 0 && len(q) > 0:
		_, err := fmt.Fprintln(w, "no dead letters match")
		return err
	case len(list) == 0:
		_, err := fmt.Fprintln(w, "there are no dead letters")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "NUMBER\tTIME\tCOMPONENT\tATTEMPTS\tID\tBYTES\tREASON\n")
	for _, l := range list {
		id := l.ID
		if id == "" {
			id = "-"
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\t%d\t%s\t%d\t%s\n", l.Number, l.Time.Local().Format(time.DateTime), oneLine(l.Component), l.Attempts, oneLine(id), len(l.Data), oneLine(strings.TrimSpace(l.Reason)))
	}
	return tw.Flush()
}

func deadLettersShow(f *flags) *cobra.Command {
	var api apiFlags
	cmd := &cobra.Command{
		Use:   "show NUMBER",
		Short: "Print a dead letter, with its whole payload",
		Args:  cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			n, err := letterNumber(args[0])
			if err != nil {
				return err
			}
			c, err := api.client(f)
			if err != nil {
				return err
			}
			var l letters.Letter
			if err := c.callLetter(cmd.Context(), http.MethodGet, n, "", nil, &l); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), l)
		}),
	}
	api.add(cmd)
	return cmd
}

func deadLettersDelete(f *flags) *cobra.Command {
	var api apiFlags
	var find letterFlags
	all := false
	cmd := &cobra.Command{
		Use:     "delete NUMBER...",
		Short:   "Delete dead letters",
		Long:    `Deletes dead letters of a running gateway: those with these numbers, those that match, or all. They cannot be restored.` + helpAPI,
		Example: `  gateway dead-letters delete 17 18`,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			selected, err := find.selection(args, all)
			if err != nil {
				return err
			}
			c, err := api.client(f)
			if err != nil {
				return err
			}
			var answer struct{ Removed int }
			if _, _, err := c.call(cmd.Context(), http.MethodPost, "/api/dead-letters/delete", selected, &answer, http.StatusOK); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "dead letters deleted: %d\n", answer.Removed)
			return err
		}),
	}
	api.add(cmd)
	find.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "delete all dead letters")
	return cmd
}

func deadLettersDownload(f *flags) *cobra.Command {
	var api apiFlags
	var find letterFlags
	cmd := &cobra.Command{
		Use:     "download",
		Short:   "Print dead letters as lines that gateway replay reads",
		Long:    `Prints the dead letters of a running gateway that match, the latest first, as the sink file writes them: one JSON object a line.` + helpAPI,
		Example: `  gateway dead-letters download --component shop > parked.jsonl`,
		Args:    noArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			q, err := find.values()
			if err != nil {
				return err
			}
			c, err := api.client(f)
			if err != nil {
				return err
			}
			path := "/api/dead-letters/download?" + q.Encode()
			resp, err := c.send(cmd.Context(), http.MethodGet, path, nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				body, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // the status is the reason
				return c.refused(path, resp, body)
			}
			_, err = io.Copy(cmd.OutOrStdout(), resp.Body)
			return err
		}),
	}
	api.add(cmd)
	find.add(cmd)
	return cmd
}

// letterNumber returns the number of a dead letter on the command line.
func letterNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not the number of a dead letter: gateway dead-letters lists them", text)
	}
	return n, nil
}

// callLetter sends a request about one dead letter.
func (c *apiClient) callLetter(ctx context.Context, method string, number uint64, action string, body, v any) error {
	_, status, err := c.call(ctx, method, fmt.Sprintf("/api/dead-letters/%d%s", number, action), body, v, http.StatusOK)
	if status == http.StatusNotFound {
		return fmt.Errorf("there is no dead letter %d: gateway dead-letters lists them", number)
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
