package app

import (
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/stats"
)

func whereCommand(f *flags) *cobra.Command {
	var api apiFlags
	asJSON := false
	cmd := &cobra.Command{
		Use:   "where ID",
		Short: "Show where an event is in a running gateway, as far as it is known",
		Long: `Shows in which queues of a running gateway the event with this ID waits, how often its delivery
has failed, when its next attempt is due, and its dead letters. A gateway has no record of events
that it has delivered.` + helpAPI,
		Example: `  gateway where 01J9ZQ4T9W`,
		Args:    cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			return printAnswer(cmd, &api, f, "/api/events/"+url.PathEscape(args[0]), asJSON, printWhere)
		}),
	}
	api.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer of /api/events/ID")
	return cmd
}

// printWhere prints a table of the queues and dead letters that have the event. It returns an error if none has.
func printWhere(w io.Writer, where stats.Whereabouts) error {
	for _, s := range where.Writing {
		fmt.Fprintf(w, "events in writes of the sink %s, which are not searched: %d\n", s.Sink, s.Events)
	}
	if len(where.Found) == 0 {
		return fmt.Errorf("the event %s waits in no queue and is no dead letter: it was delivered, is in a write, is in another gateway, or has another ID", oneLine(where.ID))
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "STATE\tCOMPONENT\tSOURCE\tATTEMPTS\tNEXT ATTEMPT\tDEAD LETTER\tREASON\n")
	for _, at := range where.Found {
		due, number := "-", "-"
		if at.Due != nil {
			due = at.Due.Local().Format(time.DateTime)
		}
		if at.Number > 0 {
			number = fmt.Sprint(at.Number)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", at.State, oneLine(at.Component), oneLine(at.Source), at.Attempts, due, number, oneLine(at.Reason))
	}
	return tw.Flush()
}
