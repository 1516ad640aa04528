package app

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/stats"
)

// healthExit is the exit status of `gateway status` for each state.
var healthExit = map[string]int{stats.HealthOK: 0, stats.HealthDegraded: 3, stats.HealthDown: 4}

func statusCommand(f *flags) *cobra.Command {
	var api apiFlags
	asJSON, ready := false, false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print the health of a running gateway, and the state of its components",
		Long: `Prints whether a running gateway works, what is wrong with it and since when, and a table
of its components.

The exit status is 0 while the health is ok, 3 while it is degraded, 4 while it is down, and 1
where it cannot be found out.

With --ready it asks only whether clients may be sent to the gateway, as a load balancer does
by /readyz. That needs no secret. The exit status is 0 or 1.` + helpAPI,
		Example: `  gateway status
  gateway status --url https://gateway.example --json | jq .health
  gateway status --ready`,
		Args: noArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			c, err := api.client(f)
			if err != nil {
				return err
			}
			if ready {
				answer, err := c.get(cmd.Context(), "/readyz", nil)
				if err == nil {
					_, err = cmd.OutOrStdout().Write(answer)
				}
				return err
			}
			var o admin.Overview
			body, err := c.get(cmd.Context(), "/api/status", &o)
			if err != nil {
				return err
			}
			exit, known := healthExit[o.Health.State]
			if !known {
				return fmt.Errorf("the gateway at %s does not report its health: update it", c.name)
			}
			if asJSON {
				_, err = cmd.OutOrStdout().Write(body)
			} else {
				err = printStatus(cmd.OutOrStdout(), c.name, &o)
			}
			if err == nil && exit != 0 {
				return &failure{status: exit}
			}
			return err
		}),
	}
	api.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer of /api/status")
	cmd.Flags().BoolVar(&ready, "ready", false, "only ask whether the gateway is ready, by /readyz")
	cmd.MarkFlagsMutuallyExclusive("json", "ready")
	return cmd
}

// printStatus prints a status for people.
func printStatus(w io.Writer, base string, o *admin.Overview) error {
	var b strings.Builder
	printHealth(&b, base, o)
	b.WriteByte('\n')
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "COMPONENT\tTYPE\tSTATE\tIN\tOUT\tQUEUED\tIN FLIGHT\tDEAD LETTERS\tERRORS\n")
	for _, r := range componentRows(o) {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%d\n", r.name, r.typ, r.state, optional(r.in), r.out, optional(r.queued), optional(r.inFlight), optional(r.deadLettered), r.errors)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printHealth prints the health and its reasons.
func printHealth(w io.Writer, base string, o *admin.Overview) {
	fmt.Fprintf(w, "%s  gateway %s at %s, up %s\n", strings.ToUpper(o.Health.State), oneLine(o.Version), base, roundDuration(o.Now.Sub(o.Started)))
	for _, r := range o.Health.Reasons {
		fmt.Fprintf(w, "  %s, since %s (%s): %s\n", oneLine(r.Component), r.Since.Local().Format(time.DateTime), roundDuration(o.Now.Sub(r.Since)), oneLine(r.Text))
	}
	if len(o.Reload.RestartNeeded) > 0 {
		fmt.Fprintf(w, "  restart needed for changed settings: %s\n", oneLine(strings.Join(o.Reload.RestartNeeded, ", ")))
	}
}

// roundDuration returns a duration to the second.
func roundDuration(d time.Duration) string { return max(d, 0).Round(time.Second).String() }

// componentRow is what tables show of a component. A negative number means that it has none.
type componentRow struct {
	name, typ, state           string
	in                         int64
	out                        uint64
	queued, inFlight, retrying int64
	deadLettered               int64
	errors                     uint64
}

// optional returns a number as text; "-" where there is none.
func optional(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// componentRows returns a row for each component.
func componentRows(o *admin.Overview) (rows []componentRow) {
	for _, s := range o.Sources {
		r := componentRow{name: "source " + s.Name, typ: s.Type, state: stateText(s.Up, s.Failing, s.Since), in: -1, out: s.Emitted, queued: -1, inFlight: int64(s.Outstanding), retrying: -1, deadLettered: -1, errors: s.Errors}
		if s.Leader != nil && s.Up {
			r.state += ", " + s.Leader.State
		}
		if s.Stalled != nil {
			r.state += ", stalled"
		}
		rows = append(rows, r)
	}
	for _, s := range o.Routes {
		state := "up"
		if s.Failing {
			state = "failing"
		}
		rows = append(rows, componentRow{name: "route " + s.Name, typ: "-", state: state, in: int64(s.In), out: s.Out, queued: int64(s.Held), inFlight: -1, retrying: -1, deadLettered: int64(s.DeadLettered), errors: s.Errors})
	}
	for _, s := range o.Sinks {
		r := componentRow{name: "sink " + s.Name, typ: s.Type, state: stateText(s.Up, s.Failing, s.Since), in: int64(s.In), out: s.Delivered, queued: int64(s.Queued), inFlight: int64(s.Writing), retrying: int64(s.Retrying), deadLettered: int64(s.DeadLettered), errors: s.Errors}
		if s.Breaker.State != stats.BreakerClosed {
			r.state += ", breaker " + strings.ReplaceAll(s.Breaker.State, "_", " ")
		}
		rows = append(rows, r)
	}
	for i := range rows {
		rows[i].name, rows[i].typ, rows[i].state = oneLine(rows[i].name), oneLine(rows[i].typ), oneLine(rows[i].state)
	}
	return slices.Clip(rows)
}

// stateText returns the state of a component.
func stateText(up, failing bool, since time.Time) string {
	switch {
	case !up && since.IsZero():
		return "not connected yet"
	case !up:
		return "down"
	case failing:
		return "failing"
	}
	return "up"
}
