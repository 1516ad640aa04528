package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/tap"
)

func tapCommand(f *flags) *cobra.Command {
	var api apiFlags
	var o tapOptions
	cmd := &cobra.Command{
		Use:   "tap NAME",
		Short: "Show the events that pass a component of a running gateway, and what transforms change",
		Long: `Shows a sample of the events that pass a component of a running gateway, until it is
interrupted: what a source emits; what comes into a route, what each transform has changed, and
what became of the event; what a sink gets, delivers, and fails to deliver. NAME is source.NAME,
route.NAME, sink.NAME or dead_letters. The kind may be left out where only one component has the
name.

Each event says how many were skipped before it. What a transform mask or remove of the route
hides is also hidden before that transform.` + helpAPI,
		Example: `  gateway tap publish
  gateway tap route.publish --filter 'operation == "INSERT" && order.amount > 100'
  gateway tap sink.bus -n 5 --json | jq .outcome
  gateway tap dead_letters`,
		Args: cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			c, err := api.client(f)
			if err != nil {
				return err
			}
			ctx, stop := interrupts(cmd.Context())
			defer stop()
			o.at = args[0]
			return o.run(ctx, c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		}),
	}
	api.add(cmd)
	cmd.Flags().StringVar(&o.filter, "filter", "", "show only events that meet this `condition` as they come in")
	cmd.Flags().IntVar(&o.limit, "limit", 0, fmt.Sprintf("show at most this number of `events` in a second, from 1 to %d; 0: the default of the gateway", tap.MaxLimit))
	cmd.Flags().IntVarP(&o.count, "count", "n", 0, "end after this number of `events`; 0: go on until it is interrupted")
	cmd.Flags().BoolVar(&o.json, "json", false, "print each event as one line of JSON")
	return cmd
}

// tapOptions are the flags of `gateway tap`.
type tapOptions struct {
	at, filter   string
	limit, count int
	json         bool
}

// run prints events until the tap ends or ctx does.
func (o *tapOptions) run(ctx context.Context, c *apiClient, out, notes io.Writer) error {
	q := url.Values{"at": {o.at}}
	if o.filter != "" {
		q.Set("filter", o.filter)
	}
	if o.limit != 0 {
		q.Set("limit", strconv.Itoa(o.limit))
	}
	body, err := c.stream(ctx, "/api/tap?"+q.Encode())
	if ctx.Err() != nil {
		return nil
	} else if err != nil {
		return err
	}
	defer body.Close()
	err = o.print(body, out, notes)
	if ctx.Err() != nil { // interrupted
		return nil
	}
	return err
}

// maxTapLine bounds one line of the answer, in bytes.
const maxTapLine = 32 << 20

// print prints the events of an answer, until it ends.
func (o *tapOptions) print(body io.Reader, out, notes io.Writer) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxTapLine)
	name, printed := "", 0
	var counts tap.Counts
	for lines.Scan() {
		field, data, _ := strings.Cut(lines.Text(), ": ")
		if field == "event" {
			name = data
		}
		if field != "data" {
			continue
		}
		switch name {
		case "event":
			if err := o.printItem(out, data); err != nil {
				return err
			}
			if printed++; printed == o.count {
				return nil
			}
		case "counts":
			before := counts
			if err := json.Unmarshal([]byte(data), &counts); err != nil {
				return fmt.Errorf("the gateway does not answer as expected: %w: update it", err)
			}
			if counts.Filtered > before.Filtered && printed == 0 {
				fmt.Fprintf(notes, "%d events have passed, %d of those looked at do not match the filter\n", counts.Seen, counts.Filtered)
			}
		case "end":
			var end struct{ Reason string }
			_ = json.Unmarshal([]byte(data), &end) // "" where it is malformed
			return fmt.Errorf("the tap has ended: %s", oneLine(end.Reason))
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the connection to the gateway is lost: %w", err)
	}
	return errors.New("the gateway has closed the connection")
}

func (o *tapOptions) printItem(out io.Writer, data string) error {
	if o.json {
		_, err := io.WriteString(out, data+"\n")
		return err
	}
	var it tap.Item
	if err := json.Unmarshal([]byte(data), &it); err != nil {
		return fmt.Errorf("the gateway does not answer as expected: %w: update it", err)
	}
	_, err := io.WriteString(out, tapText(&it))
	return err
}

// stream requests a path whose answer goes on. The caller closes it.
func (c *apiClient) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(err)
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode == http.StatusNotFound && !strings.HasPrefix(text, "404") || resp.StatusCode == http.StatusBadRequest {
		return nil, errors.New(printable(text))
	}
	path, _, _ = strings.Cut(path, "?")
	return nil, c.refused(path, resp, body)
}
