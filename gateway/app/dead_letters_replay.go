package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/plugin"
)

// selection returns the body of a request about the letters with these numbers, those that match, or all.
func (l *letterFlags) selection(numbers []string, all bool) (map[string]any, error) {
	q, err := l.values()
	if err != nil {
		return nil, err
	}
	ways := 0
	for _, given := range []bool{len(numbers) > 0, len(q) > 0, all} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return nil, errors.New("which dead letters? give their numbers, or --all for all, or conditions such as --component")
	}
	selected := map[string]any{"all": all}
	for name := range q {
		selected[name] = q.Get(name)
	}
	var list []uint64
	for _, text := range numbers {
		n, err := letterNumber(text)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	selected["numbers"] = list
	return selected, nil
}

const helpTo = "`place` to send them to: a sink, or route.NAME for a whole route; without it, where each has failed"

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
			if err := c.ofLetter(cmd.Context(), http.MethodPost, n, "/dry-run", body, &result); err != nil {
				return err
			}
			return printDryRun(cmd.OutOrStdout(), &result)
		}),
	}
	api.add(cmd)
	addPlace(cmd, &to, &file, set, f)
	return cmd
}

// addPlace adds the flags --to and --data.
func addPlace(cmd *cobra.Command, to, file *string, set plugin.Set, f *flags) {
	cmd.Flags().StringVar(to, "to", "", helpTo)
	cmd.Flags().StringVar(file, "data", "", "`file` with a payload in place of that of the letter; - is the standard input")
	completeFlag(cmd, "to", set, f, sinkNames)
}

// letterBodyOf returns the body of a request about one letter.
func letterBodyOf(in io.Reader, to, file string) (map[string]any, error) {
	body := map[string]any{"to": placeOf(to)}
	if file == "" {
		return body, nil
	}
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(in) }
	}
	data, err := read()
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	body["data"] = letters.Payload(data)
	return body, nil
}

// placeOf returns a place on the command line as the API has it: "sink shop" for shop.
func placeOf(to string) string {
	if to == "" || strings.HasPrefix(to, "sink.") || strings.HasPrefix(to, "route.") {
		return strings.Replace(to, ".", " ", 1)
	}
	return "sink " + to
}

// printDryRun prints what would become of a letter, as gateway tap prints what has become of an event.
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

func deadLettersReplay(set plugin.Set, f *flags) *cobra.Command {
	var api apiFlags
	var find letterFlags
	to, file, perSecond, all := "", "", 0.0, false
	cmd := &cobra.Command{
		Use:   "replay NUMBER...",
		Short: "Make a running gateway send dead letters again",
		Long: `Makes a running gateway send dead letters again, the oldest first: those with these numbers, those
that match, or all. Each goes to where it has failed: into the queue of its sink, or into its route
from the transform on that has failed. One that is delivered is removed; one that fails again stays.

The command waits for the end. The exit status is 0 if all were delivered, else 1. If it is
interrupted, the gateway sends no further letters.` + helpAPI,
		Example: `  gateway dead-letters replay 17 18
  gateway dead-letters replay --component shop --rate 50
  gateway dead-letters replay 17 --data mended.json --to route.publish`,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			selected, err := find.selection(args, all)
			if err != nil {
				return err
			}
			if file != "" && len(args) != 1 {
				return errors.New("--data replaces the payload of one dead letter: give its number")
			}
			c, err := api.client(f)
			if err != nil {
				return err
			}
			ctx, stop := interrupts(cmd.Context())
			defer stop()
			if file != "" {
				return c.replayEdited(ctx, cmd, args[0], to, file)
			}
			selected["to"], selected["rate"] = placeOf(to), perSecond
			var s letters.ReplayState
			if _, _, err := c.call(ctx, http.MethodPost, "/api/dead-letters/replays", selected, &s, http.StatusAccepted); err != nil {
				return err
			}
			if s, err = c.followReplay(ctx, s); err != nil {
				return err
			}
			return reportReplay(cmd.OutOrStdout(), &s)
		}),
	}
	api.add(cmd)
	find.add(cmd)
	addPlace(cmd, &to, &file, set, f)
	cmd.Flags().BoolVar(&all, "all", false, "replay all dead letters")
	cmd.Flags().Float64Var(&perSecond, "rate", 0, "at most `N` a second; 0 is no limit")
	return cmd
}

// replayEdited replays one letter with another payload.
func (c *apiClient) replayEdited(ctx context.Context, cmd *cobra.Command, number, to, file string) error {
	n, err := letterNumber(number)
	if err != nil {
		return err
	}
	body, err := letterBodyOf(cmd.InOrStdin(), to, file)
	if err != nil {
		return err
	}
	var s letters.ReplayState
	if err := c.ofLetter(ctx, http.MethodPost, n, "/replay", body, &s); err != nil {
		return err
	}
	return reportReplay(cmd.OutOrStdout(), &s)
}

const (
	replayPoll = 200 * time.Millisecond
	// queuedPatience is how long letters may be queued after the last was sent, until the command ends without their outcome.
	queuedPatience = 30 * time.Second
)

// followReplay returns the state of a replay when all its letters are delivered or have failed, or have been queued for long. It cancels the replay
// when ctx ends.
func (c *apiClient) followReplay(ctx context.Context, s letters.ReplayState) (letters.ReplayState, error) {
	path := fmt.Sprintf("/api/dead-letters/replays/%d", s.ID)
	var sent time.Time // when the last letter was
	for {
		if s.Ended != nil && sent.IsZero() {
			sent = time.Now()
		}
		if s.Ended != nil && (s.Queued == 0 || time.Since(sent) > queuedPatience) {
			return s, nil
		}
		select {
		case <-time.After(replayPoll):
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_, _, err := c.call(ctx, http.MethodDelete, path, nil, &s, http.StatusOK)
			return s, err
		}
		var next letters.ReplayState
		if _, err := c.get(ctx, path, &next); err != nil && ctx.Err() == nil {
			return s, err
		} else if err == nil {
			s = next
		}
	}
}

// reportReplay prints what has become of the letters. It returns an error unless all were delivered.
func reportReplay(w io.Writer, s *letters.ReplayState) error {
	fmt.Fprintf(w, "dead letters delivered: %d\n", s.Delivered)
	var problems []error
	for _, failed := range s.Failures {
		problems = append(problems, fmt.Errorf("dead letter %d has failed again: %s", failed.Number, oneLine(failed.Reason)))
	}
	if more := s.Failed - len(s.Failures); more > 0 {
		problems = append(problems, fmt.Errorf("dead letters that have failed again, too: %d", more))
	}
	if s.Queued > 0 {
		problems = append(problems, fmt.Errorf("dead letters that are still queued: %d; the gateway removes each when it is delivered", s.Queued))
	}
	if s.Canceled {
		problems = append(problems, errors.New("the replay was canceled before its end"))
	}
	if s.Error != "" {
		problems = append(problems, errors.New(s.Error))
	}
	return errors.Join(problems...)
}
