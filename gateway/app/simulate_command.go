package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

func testCommand(set plugin.Set, f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "test [FILE...]",
		Short: "Run the tests of a configuration",
		Long: `Sends the events of each test under tests: through the routes of the configuration,
and compares what arrives at the sinks with what the test expects. Sources and sinks
are replaced by test doubles: only a lookup connects to its database. The clock
stands still, and uuid() returns the same IDs in each run.

  tests:
    large orders go to the office:
      source: orders
      events: ['{"order":{"id":1,"amount":1500}}']
      expect:
        office: ['{"order":{"id":1,"amount":1500}}']

Under clients: a test lists what clients of a websocket sink receive, by their tokens:

      clients:
        alice: {claims: {sub: "7"}, expect: ['{"order":{"id":1,"customer_id":7}}']}
        bob: {claims: {sub: "8"}, expect: []}

The exit status is 0 where every test passes, else 1.`,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.files = args
			}
			f.offline = true
			cfg, err := f.load(set, nil)
			if err != nil {
				return err
			}
			if len(cfg.Tests) == 0 {
				return fmt.Errorf("%s: there is no test: add `tests: {NAME: {source, events, expect}}`", strings.Join(f.files, " + "))
			}
			stop, err := serveTransforms(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer stop()
			return runTests(cmd.Context(), cmd.OutOrStdout(), cfg)
		}),
	}
}

// serveTransforms starts the embedded servers where a transform refers to one. The test
// doubles of sources and sinks need none.
func serveTransforms(ctx context.Context, cfg *config.Config) (stop func(), err error) {
	for _, r := range cfg.Graph.Routes {
		for _, t := range r.Through {
			for _, u := range options.EmbeddedURLs(t.Options) {
				if u.URL.Embedded() {
					p, err := startEmbedded(ctx, cfg, "", slog.New(slog.DiscardHandler))
					return func() { _ = p.stop() }, err // the result of the tests does not depend on it
				}
			}
		}
	}
	return func() {}, nil
}

// runTests prints the result of each test. It returns an error with the number of failed tests.
func runTests(ctx context.Context, w io.Writer, cfg *config.Config) error {
	failed := 0
	for _, t := range cfg.Tests {
		got, err := simulate(ctx, cfg, t)
		if err != nil {
			return fmt.Errorf("%s: tests.%s: %w", t.Pos, t.Name, err)
		}
		wrong := compare(t, got)
		if wrong == "" {
			fmt.Fprintf(w, "ok      %s\n", t.Name)
			continue
		}
		failed++
		fmt.Fprintf(w, "FAILED  %s\n%s", t.Name, wrong)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests failed", failed, len(cfg.Tests))
	}
	_, err := fmt.Fprintf(w, "%d passed\n", len(cfg.Tests))
	return err
}
