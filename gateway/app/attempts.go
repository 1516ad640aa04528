package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/delivery"
)

func attemptsCommand(f *flags) *cobra.Command {
	var api apiFlags
	asJSON := false
	cmd := &cobra.Command{
		Use:   "attempts SINK",
		Short: "List the latest attempts of a sink of a running gateway, show one, or send its event again",
		Long: `Lists the latest 200 attempts of a sink to deliver events, the latest last: when, the status of
the answer, the time that it took, the number of the attempt, the outcome for the event, and when
the next attempt is due. The type webhook reports its attempts.` + helpAPI,
		Example: `  gateway attempts shop
  gateway attempts show shop 5YFSCWTK2MAI6PBBQDMQMB3KHX
  gateway attempts send-again shop 5YFSCWTK2MAI6PBBQDMQMB3KHX`,
		Args: cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			return printAnswer(cmd, &api, f, sinkPath(args[0], "attempts"), asJSON, printAttempts)
		}),
	}
	api.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer of /api/components/sink/SINK/attempts")
	cmd.AddCommand(attemptsShow(f), attemptsSendAgain(f))
	return cmd
}

func attemptsShow(f *flags) *cobra.Command {
	var api apiFlags
	cmd := &cobra.Command{
		Use:   "show SINK ID",
		Short: "Print an attempt with the request and the answer, without secrets",
		Args:  cobra.ExactArgs(2),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			body, err := api.fetch(cmd.Context(), f, sinkPath(args[0], "attempts", args[1]), nil)
			if err == nil {
				_, err = cmd.OutOrStdout().Write(body)
			}
			return err
		}),
	}
	api.add(cmd)
	return cmd
}

// sendAgainTimeout bounds the wait for the answer to gateway attempts send-again.
const sendAgainTimeout = 20 * time.Second

func attemptsSendAgain(f *flags) *cobra.Command {
	var api apiFlags
	cmd := &cobra.Command{
		Use:   "send-again SINK ID",
		Short: "Send the event of an attempt again, with the same ID",
		Long: `Puts the event of an attempt into the queue of the sink again, behind the events that wait, and
prints the attempt to deliver it. The receiver gets the same ID, by which it recognizes the event.

The exit status is 0 if the event was delivered or waits in the queue, else 1.` + helpAPI,
		Args: cobra.ExactArgs(2),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			c, err := api.client(f)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), sendAgainTimeout)
			defer cancel()
			var v delivery.AttemptView
			_, status, err := c.do(ctx, http.MethodPost, sinkPath(args[0], "attempts", args[1], "send-again"), &v, http.StatusOK, http.StatusAccepted)
			switch {
			case err != nil:
				return err
			case status == http.StatusAccepted:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "the event waits in the queue: gateway attempts %s shows its attempt\n", args[0])
				return err
			}
			if err := printAttempts(cmd.OutOrStdout(), delivery.AttemptList{Attempts: []delivery.AttemptView{v}}); err != nil {
				return err
			}
			if v.Outcome != delivery.AttemptDelivered {
				return fmt.Errorf("the event was not delivered: %s", oneLine(v.Error))
			}
			return nil
		}),
	}
	api.add(cmd)
	return cmd
}

// sinkPath returns the path below that of a sink.
func sinkPath(parts ...string) string {
	path := "/api/components/sink"
	for _, p := range parts {
		path += "/" + url.PathEscape(p)
	}
	return path
}

// printAttempts prints a table of attempts, the latest last.
func printAttempts(w io.Writer, list delivery.AttemptList) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "TIME\tID\tEVENT\tATTEMPT\tSTATUS\tTOOK\tOUTCOME\tNEXT\tERROR\n")
	for _, a := range slices.Backward(list.Attempts) {
		next := "-"
		if a.Next != nil {
			next = a.Next.Local().Format(time.TimeOnly)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%d\t%.1f ms\t%s\t%s\t%s\n", a.Time.Local().Format(time.TimeOnly), oneLine(a.ID), oneLine(a.Event.ID), a.Number, a.Status, a.Millis, oneLine(a.Outcome), next, oneLine(a.Error))
	}
	return tw.Flush()
}
