package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/admin"
)

func topCommand(f *flags) *cobra.Command {
	var api apiFlags
	count := 0
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show the rates, queues and errors of a running gateway, each second",
		Long: `Shows the rates, queues, events in flight, errors and clients of a running gateway, each
second until it is interrupted. On a terminal it draws a table; elsewhere it prints one line a
second. It goes on while the gateway does not answer.` + helpAPI,
		Example: `  gateway top
  gateway top -n 60 >> top.log      # one minute`,
		Args: noArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error {
			c, err := api.client(f)
			if err != nil {
				return err
			}
			ctx, stop := interrupts(cmd.Context())
			defer stop()
			t := &top{client: c, w: cmd.OutOrStdout()}
			t.draws = t.w == io.Writer(os.Stdout) && isTerminal(os.Stdout)
			return t.run(ctx, count)
		}),
	}
	api.add(cmd)
	cmd.Flags().IntVarP(&count, "count", "n", 0, "end after this number of `refreshes`; 0: go on until it is interrupted")
	return cmd
}

// topInterval is the time between two refreshes.
const topInterval = time.Second

// top shows the state of a gateway every topInterval.
type top struct {
	client *apiClient
	w      io.Writer
	draws  bool // a table on a terminal, in place of the one before

	before  map[string]componentRow // of the last status, by name; nil: there is none
	at      time.Time               // of the last status, by the clock of the gateway
	started time.Time               // of the gateway; after a restart the counts begin again
}

func (t *top) run(ctx context.Context, count int) error {
	ticks := time.NewTicker(topInterval)
	defer ticks.Stop()
	for n := 1; ; n++ {
		text := t.refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if _, err := io.WriteString(t.w, text); err != nil {
			return err
		}
		if n == count {
			return nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// clientsLine matches the number of WebSocket clients of a sink in /metrics.
var clientsLine = regexp.MustCompile(`(?m)^gateway_websocket_clients\{sink="([a-z][a-z0-9_]*)"\} ([0-9]+)`)

// refresh returns what is shown now.
func (t *top) refresh(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var o admin.Overview
	_, err := t.client.get(ctx, "/api/status", &o)
	metrics := []byte(nil)
	if err == nil {
		metrics, err = t.client.get(ctx, "/metrics", nil)
	}
	if err != nil {
		t.before = nil
		if t.draws {
			return redraw(time.Now().Format(time.TimeOnly) + "  " + oneLine(err.Error()) + "\n")
		}
		return fmt.Sprintf("%s state=unknown error=%q\n", time.Now().UTC().Format(time.RFC3339), oneLine(err.Error()))
	}
	clients := map[string]int{}
	for _, m := range clientsLine.FindAllSubmatch(metrics, -1) {
		clients["sink "+string(m[1])], _ = strconv.Atoi(string(m[2])) // the pattern has digits only
	}
	rows, rates := componentRows(&o), map[string]rate{}
	if t.before != nil && t.started.Equal(o.Started) {
		for _, r := range rows {
			if old, ok := t.before[r.name]; ok {
				rates[r.name] = rateOf(old, r, o.Now.Sub(t.at))
			}
		}
	}
	t.before, t.at, t.started = map[string]componentRow{}, o.Now, o.Started
	for _, r := range rows {
		t.before[r.name] = r
	}
	if t.draws {
		return redraw(topTable(t.client.name, &o, rows, rates, clients))
	}
	return topLine(&o, rows, rates, clients)
}

// rate is the number of events per second into a component, and out of it.
type rate struct{ in, out float64 }

func rateOf(before, now componentRow, passed time.Duration) rate {
	seconds := max(passed.Seconds(), 0.001)
	return rate{max(float64(now.in-before.in), 0) / seconds, max(float64(now.out)-float64(before.out), 0) / seconds}
}

// redraw returns text for a terminal, in place of the text before.
func redraw(text string) string {
	return "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
}

// topTable returns the table for a terminal.
func topTable(base string, o *admin.Overview, rows []componentRow, rates map[string]rate, clients map[string]int) string {
	var b strings.Builder
	b.WriteString(o.Now.Local().Format(time.TimeOnly) + "  ")
	printHealth(&b, base, o)
	fmt.Fprintf(&b, "dead letters in memory since the start: %d\n\n", o.DeadLetters)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "IN/s\tOUT/s\tQUEUED\tIN FLIGHT\tRETRYING\tERRORS\tCLIENTS\t  COMPONENT, STATE\n")
	for _, r := range rows {
		in, connected := "-", "-"
		if r.in >= 0 {
			in = fmt.Sprintf("%.0f", rates[r.name].in)
		}
		if n, ok := clients[r.name]; ok {
			connected = strconv.Itoa(n)
		}
		fmt.Fprintf(tw, "%s\t%.0f\t%s\t%s\t%s\t%d\t%s\t  %s: %s\n", in, rates[r.name].out, optional(r.queued), optional(r.inFlight), optional(r.retrying), r.errors, connected, r.name, r.state)
	}
	_ = tw.Flush() // a Builder returns no error
	return b.String()
}

// topLine returns the line for a pipe: what the sources emit and the sinks deliver, and sums over all components.
func topLine(o *admin.Overview, rows []componentRow, rates map[string]rate, clients map[string]int) string {
	var in, out float64
	var queued, inFlight int64
	var errors uint64
	connected := 0
	for _, r := range rows {
		switch {
		case strings.HasPrefix(r.name, "source "):
			in += rates[r.name].out
			inFlight += r.inFlight
		case strings.HasPrefix(r.name, "sink "):
			out += rates[r.name].out
			queued += r.queued
		}
		errors += r.errors
	}
	for _, n := range clients {
		connected += n
	}
	return fmt.Sprintf("%s state=%s in=%.0f/s out=%.0f/s queued=%d in_flight=%d errors=%d dead_letters=%d clients=%d\n",
		o.Now.UTC().Format(time.RFC3339), o.Health.State, in, out, queued, inFlight, errors, o.DeadLetters, connected)
}
