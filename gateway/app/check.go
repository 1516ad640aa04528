package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// probeTimeout bounds what check --live asks for one component: a server that does not answer
// takes no time from the others. Tests wait less.
var probeTimeout = 20 * time.Second

func checkCommand(set plugin.Set, f *flags) *cobra.Command {
	var live, asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Say what is wrong with a configuration, and with --live with what it connects to",
		Long: `Reads the configuration, builds everything in it, and says what is wrong, each
problem with file:line:col. Nothing is connected to.

With --live it also connects to every server, and says what is wrong there and
what mends it: does LISTEN work, is there a trigger and what does it do with large
rows, may the user do what must be done, is the port free. It changes nothing.
What it cannot look at is a warning.

With --json it prints one object: findings, a list of objects with component, place,
level (ok, warning, wrong, skipped), text and fix; and a summary, which counts them.

The exit status is 0 where all is right or only warnings were found, else 1.`,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.files = args
			}
			r := &report{w: cmd.OutOrStdout(), json: asJSON, live: live}
			return r.end(check(cmd.Context(), set, f, r))
		}),
	}
	cmd.Flags().BoolVar(&live, "live", false, "connect to every server, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
	return cmd
}

// check reports on a configuration. The error says why it cannot be used.
func check(ctx context.Context, set plugin.Set, f *flags, r *report) error {
	cfg, err := f.load(set)
	if err != nil {
		return r.broken(err)
	}
	private := cfg.PrivateComponents()
	cfg.SetPrivate("postgres://private", "redis://private") // nothing is started here
	g, err := assemble(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return r.broken(err)
	}
	defer g.first.plan.Discard()
	for _, w := range cfg.Warnings {
		r.problem(warning, w)
	}
	n := cfg.Graph
	r.add(found{Level: right, Text: fmt.Sprintf("%s is right (sources: %d, routes: %d, sinks: %d)",
		strings.Join(f.files, " + "), len(n.Sources), len(n.Routes), len(n.Sinks))})
	if r.live {
		probe(ctx, r, cfg, g, private)
	}
	return nil
}

// probe reports on everything that is connected to, but for the private components.
func probe(ctx context.Context, r *report, cfg *config.Config, g *gateway, private []string) {
	for _, name := range private {
		r.add(found{Component: name, Level: skipped, Text: "its private server starts with the gateway; give a URL to check yours"})
	}
	for _, p := range g.first.plan.Probe(ctx, probeTimeout, private) {
		for _, f := range p.Findings {
			r.finding(string(p.Kind)+"s."+p.Name, cfg.Place(p.Kind, p.Name).String(), f)
		}
	}
	for _, l := range g.listeners() {
		r.finding(l.setting, "", l.probe(ctx))
	}
}

// broken reports why a configuration cannot be used.
func (r *report) broken(err error) error {
	if !r.json { // the error is printed where the program ends
		return err
	}
	var problems options.Problems
	if !errors.As(err, &problems) {
		r.add(found{Level: failing, Text: err.Error()})
	}
	for _, p := range problems {
		r.problem(failing, p)
	}
	return err
}
