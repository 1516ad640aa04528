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
	"eventgateway/gateway/internal/state"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// probeTimeout bounds the probe of one component by check --live, so that a server that does not
// answer leaves time for the others. Tests set less.
var probeTimeout = 20 * time.Second

func checkCommand(set plugin.Set, f *flags) *cobra.Command {
	var live, asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Report what is wrong with a configuration, and with --live with its servers",
		Long: `Reads the configuration, builds everything in it, and reports each problem with
file:line:col. It connects to nothing.

With --live it also connects to every server, and reports what is wrong there and how
to mend it: whether LISTEN works, whether there is a trigger and what it does with large
rows, whether the user has the rights, whether the port is free. It changes nothing.
What it cannot examine is a warning.

With --json it prints one object: findings, a list of objects with component, place,
level (ok, warning, wrong, skipped), text and fix; and a summary, which counts them.

The exit status is 0 without problems or with warnings only, else 1.`,
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

// check reports on a configuration. It returns an error where it cannot be used.
func check(ctx context.Context, set plugin.Set, f *flags, r *report) error {
	cfg, err := f.load(set, nil)
	if err != nil {
		return r.broken(err)
	}
	embedded := cfg.EmbeddedComponents()
	cfg.SetEmbeddedURLs("postgres://embedded", "redis://embedded") // nothing is started here
	g, err := assemble(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return r.broken(err)
	}
	defer g.state.Close()
	defer g.initial.plan.Discard()
	users := cfg.StateUsers()
	if path := cfg.State.Path; path != "" && len(users) > 0 {
		if err := state.CheckFolder(path); err != nil {
			return r.broken(fmt.Errorf("state.path: %w (it is for %s)", err, strings.Join(users, ", ")))
		}
	}
	for _, w := range cfg.Warnings {
		r.problem(levelWarning, w)
	}
	n := cfg.Graph
	r.add(entry{Level: levelOK, Text: fmt.Sprintf("%s is right (sources: %d, routes: %d, sinks: %d)",
		strings.Join(f.files, " + "), len(n.Sources), len(n.Routes), len(n.Sinks))})
	if r.live {
		probe(ctx, r, cfg, g, embedded)
	}
	return nil
}

// probe reports on all servers and listeners, except the embedded servers.
func probe(ctx context.Context, r *report, cfg *config.Config, g *gateway, embedded []string) {
	for _, name := range embedded {
		r.add(entry{Component: name, Level: levelSkipped, Text: "its embedded server starts with the gateway; set a URL to check a server of yours"})
	}
	for _, p := range g.initial.plan.Probe(ctx, probeTimeout, embedded) {
		for _, f := range p.Findings {
			r.finding(string(p.Kind)+"s."+p.Name, cfg.Position(p.Kind, p.Name).String(), f)
		}
	}
	if len(cfg.StateUsers()) > 0 {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		for _, f := range g.state.Probe(ctx) {
			r.finding("state", "", f)
		}
	}
	if cfg.DeadLetters.Path != "" {
		for _, f := range probeLetters(cfg.DeadLetters) {
			r.finding("dead_letters", "", f)
		}
	}
	for _, l := range g.listeners() {
		r.finding(l.setting, "", l.probe(ctx))
	}
}

// broken reports why a configuration cannot be used.
func (r *report) broken(err error) error {
	if !r.json { // Main prints the error
		return err
	}
	var problems options.Problems
	if !errors.As(err, &problems) {
		r.add(entry{Level: levelWrong, Text: err.Error()})
	}
	for _, p := range problems {
		r.problem(levelWrong, p)
	}
	return err
}
