package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/config"
	"eventgateway/gateway/plugin"
)

// probeTimeout bounds all that check --live does.
const probeTimeout = 30 * time.Second

func checkCommand(set plugin.Set, f *flags) *cobra.Command {
	live := false
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Say what is wrong with a configuration, and with --live with what it connects to",
		Long: `Reads the configuration, builds everything in it, and says what is wrong, each
problem with file:line:col. Nothing is connected to.

With --live it also connects to every server, and says what is wrong there and
what mends it: does LISTEN work, is there a trigger and what does it do with large
rows, may the user do what must be done, is the port free. It changes nothing.

The exit status is 0 where all is right or only warnings were found, else 1.`,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.files = args
			}
			cfg, err := f.load(set)
			if err != nil {
				return err
			}
			private := cfg.PrivateComponents()
			cfg.SetPrivate("postgres://private", "redis://private") // nothing is started here
			g, err := assemble(cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer g.first.plan.Discard()
			for _, w := range cfg.Warnings {
				fmt.Fprintf(cmd.OutOrStdout(), "%-8s%v\n", plugin.Warning, w)
			}
			n := cfg.Graph
			fmt.Fprintf(cmd.OutOrStdout(), "%s is right (sources: %d, routes: %d, sinks: %d)\n",
				strings.Join(f.files, " + "), len(n.Sources), len(n.Routes), len(n.Sinks))
			if !live {
				return nil
			}
			return probe(cmd.Context(), cmd.OutOrStdout(), cfg, g, private)
		}),
	}
	cmd.Flags().BoolVar(&live, "live", false, "connect to every server, too")
	return cmd
}

// probe prints the findings about everything that is connected to, but for the private
// components.
func probe(ctx context.Context, w io.Writer, cfg *config.Config, g *gateway, private []string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	count := map[plugin.Level]int{}
	show := func(where string, f plugin.Finding) {
		count[f.Level]++
		fmt.Fprintf(w, "%-8s%s: %s\n", f.Level, where, f.Text)
		if f.Fix != "" {
			fmt.Fprintf(w, "        mend it: %s\n", f.Fix)
		}
	}
	for _, name := range private {
		fmt.Fprintf(w, "skipped %s: its private server starts with the gateway; give a URL to check yours\n", name)
	}
	for _, p := range g.first.plan.Probe(ctx, private) {
		where := fmt.Sprintf("%s: %ss.%s", cfg.Place(p.Kind, p.Name), p.Kind, p.Name)
		for _, f := range p.Findings {
			show(where, f)
		}
	}
	if g.first.public > 0 {
		show("http.listen", probePort(cfg.HTTP.Listen))
	}
	if n := count[plugin.Wrong]; n > 0 {
		return fmt.Errorf("%d wrong, %d warnings", n, count[plugin.Warning])
	}
	_, err := fmt.Fprintf(w, "nothing is wrong, %d warnings\n", count[plugin.Warning])
	return err
}

func probePort(addr string) plugin.Finding {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return plugin.Finding{Level: plugin.Wrong, Text: err.Error(), Fix: "ss -ltnp shows who has the port (perhaps a gateway that is running); set PORT or http.listen to another"}
	}
	_ = l.Close() // nobody has connected to it
	return plugin.Finding{Text: "the port is free: " + addr}
}
