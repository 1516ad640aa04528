package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

func replayCommand(set plugin.Set, f *flags) *cobra.Command {
	to := ""
	cmd := &cobra.Command{
		Use:   "replay FILE... --to SINK",
		Short: "Send events from files again, such as dead letters",
		Long: `Sends events that a file sink has written to a sink of the configuration, in their
order. The files are not changed; events that are appended meanwhile are not read.

An event that the sink refuses for good goes to the sink's dead_letter, if it has
one, and the following events are sent nevertheless. The exit status is 0 if all
were delivered, else 1. An event keeps its ID, by which receivers find repeats.`,
		Example: `  gateway replay parked.jsonl --to shop
  gateway replay parked.jsonl.* parked.jsonl --to shop -c gateway.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			return replay(cmd.Context(), cmd.OutOrStdout(), set, f, to, func(emit func(at string, e *event.Event) error, skip func(at string)) error {
				for _, file := range args {
					if err := readFile(file, emit, skip); err != nil {
						return err
					}
				}
				return nil
			})
		}),
	}
	addTo(cmd, &to, set, f)
	return cmd
}

// addTo adds the flag --to to a command.
func addTo(cmd *cobra.Command, to *string, set plugin.Set, f *flags) {
	cmd.Flags().StringVar(to, "to", "", "`sink` of the configuration that gets the events")
	_ = cmd.MarkFlagRequired("to") // it fails only for an unknown flag
	completeFlag(cmd, "to", set, f, sinkNames)
}

// replay sends the events that read emits to a sink of the configuration, and reports on w what became of them.
func replay(ctx context.Context, w io.Writer, set plugin.Set, f *flags, to string, read func(emit func(at string, e *event.Event) error, skip func(at string)) error) error {
	cfg, err := f.load(set, nil)
	if err != nil {
		return err
	}
	levels, err := newLogLevels(cfg)
	if err != nil {
		return err
	}
	log, _ := redactSecrets(newLog(os.Stderr, cfg.Log.Format, levels), cfg)
	g, err := replayGraph(cfg, to)
	if err != nil {
		return err
	}
	ctx, stop := signals(ctx, log)
	defer stop()
	ctx, done := context.WithCancel(ctx)
	defer done()
	events := &replaySource{read: read, done: done, progress: make(chan struct{}, 1)}
	g.Sources = []router.SourceSpec{events.spec()}
	r := router.New(log)
	table := httpserver.NewTable()
	p, err := r.Plan(g, table)
	if err != nil {
		return configError(cfg.Locate(err))
	}
	if table.Len() > 0 {
		p.Discard()
		return fmt.Errorf("the sink %s serves clients that are connected to a running gateway: replay to the sink that feeds it", to)
	}
	return errors.Join(r.Run(ctx, p), events.report(w, to))
}

// replayGraph returns a graph of the sink to, and of the sinks that its dead letters go to.
func replayGraph(cfg *config.Config, to string) (router.Graph, error) {
	g := router.Graph{DrainTimeout: cfg.Graph.DrainTimeout}
	var names []string
	for _, s := range cfg.Graph.Sinks {
		names = append(names, s.Name)
	}
	for next := to; next != ""; {
		i := slices.Index(names, next)
		if i < 0 {
			return g, fmt.Errorf("--to: %s", options.UnknownName(fmt.Sprintf("sink %q", next), next, names))
		}
		s := cfg.Graph.Sinks[i]
		for _, u := range options.EmbeddedURLs(s.Options) {
			if u.URL.Embedded() {
				return g, fmt.Errorf("%s: sinks.%s.%s is an embedded server, which runs only within a gateway: set the URL of a server", cfg.Position(plugin.KindSink, next), next, u.Option)
			}
		}
		g.Sinks = append(g.Sinks, s)
		next = s.Delivery.DeadLetter
	}
	g.Routes = []router.RouteSpec{{Name: "replay", From: []string{replayName}, To: []string{to}}}
	return g, nil
}

// report prints how many events were delivered, and returns an error where not all were.
func (s *replaySource) report(w io.Writer, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(w, "events delivered to %s or its dead_letter sink: %d\n", to, s.delivered)
	var problems []error
	if s.failed > 0 {
		problems = append(problems, fmt.Errorf("events not delivered: %d, the first in %s: %w", s.failed, s.firstFailed, s.firstError))
	}
	if s.malformed > 0 {
		problems = append(problems, fmt.Errorf("lines that are not events: %d, the first is %s; kill -9 can leave half a line, whose event is written again", s.malformed, s.firstMalformed))
	}
	if !s.complete {
		problems = append(problems, errors.New("stopped before the end"))
	}
	return errors.Join(append(problems, s.err)...)
}
