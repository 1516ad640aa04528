package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/plugin"
)

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
	if err := c.callLetter(ctx, http.MethodPost, n, "/replay", body, &s); err != nil {
		return err
	}
	return reportReplay(cmd.OutOrStdout(), &s)
}

const (
	replayPoll = 200 * time.Millisecond
	// queuedTimeout bounds the wait for queued letters after the last one was sent.
	queuedTimeout = 30 * time.Second
)

// followReplay waits until all letters of a replay are delivered or have failed, or are queued for longer than queuedTimeout. It returns the
// state of the replay. When ctx ends, it cancels the replay.
func (c *apiClient) followReplay(ctx context.Context, s letters.ReplayState) (letters.ReplayState, error) {
	path := fmt.Sprintf("/api/dead-letters/replays/%d", s.ID)
	var sent time.Time // when the last letter was
	for {
		if s.Ended != nil && sent.IsZero() {
			sent = time.Now()
		}
		if s.Ended != nil && (s.Queued == 0 || time.Since(sent) > queuedTimeout) {
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

// reportReplay prints the outcome of a replay. It returns an error unless all letters were delivered.
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
