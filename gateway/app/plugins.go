package app

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// pluginType is what is shown of a plugin type of any kind.
type pluginType interface {
	Kind() plugin.Kind
	Name() string
	Summary() string
	Defaults() any
	Commands() []plugin.Command
	Capabilities() []plugin.Capability
	Optional() []plugin.Capability
	Rights() []plugin.Right
}

func typesOf(set plugin.Set) []pluginType {
	var out []pluginType
	for _, t := range set.Sources {
		out = append(out, t)
	}
	for _, t := range set.Transforms {
		out = append(out, t)
	}
	for _, t := range set.Sinks {
		out = append(out, t)
	}
	return out
}

func pluginsCommand(set plugin.Set) *cobra.Command {
	rights := false
	cmd := &cobra.Command{
		Use:   "plugins [name]",
		Short: "List the plugins, or the options of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			w := cmd.OutOrStdout()
			if len(args) == 0 && rights {
				return errors.New("--acl needs the name of a plugin: gateway plugins redis-pub --acl")
			}
			if len(args) == 0 {
				return listPlugins(w, set)
			}
			var names []string
			found := false
			for _, t := range typesOf(set) {
				names = append(names, t.Name())
				if t.Name() == args[0] {
					found = true
					if !rights {
						describe(w, t)
					} else if err := printRights(w, t); err != nil {
						return err
					}
				}
			}
			if !found {
				return fmt.Errorf("%s", options.UnknownName(fmt.Sprintf("plugin %q", args[0]), args[0], names))
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&rights, "acl", false, "print the rights that its Redis user needs")
	for _, t := range typesOf(set) {
		cmd.ValidArgs = append(cmd.ValidArgs, t.Name())
	}
	return cmd
}

func listPlugins(w io.Writer, set plugin.Set) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range typesOf(set) {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", t.Kind(), t.Name(), t.Summary())
	}
	return tw.Flush()
}

func describe(w io.Writer, t pluginType) {
	fmt.Fprintf(w, "%s %s: %s\n", t.Kind(), t.Name(), t.Summary())
	for _, capability := range t.Capabilities() {
		fmt.Fprintf(w, "It %s.\n", capabilityText[capability])
	}
	for _, capability := range t.Optional() {
		fmt.Fprintf(w, "If its options say so, it %s.\n", capabilityText[capability])
	}
	fmt.Fprintf(w, "\n%s", options.Markdown(options.Rows(t.Defaults())))
	switch t.Kind() {
	case plugin.KindSource:
		fmt.Fprintf(w, "\nEvery source has these as well:\n\n%s", options.Markdown(options.Rows(&router.Capture{})))
	case plugin.KindTransform:
		f := router.DefaultFailure()
		fmt.Fprintf(w, "\nEvery transform has this as well:\n\n%s", options.Markdown(options.Rows(&f)))
		if _, ok := t.(plugin.TransformType).AsBatch(); ok {
			c := router.DefaultCollect()
			fmt.Fprintf(w, "\nEvery batch transform has these as well:\n\n%s", options.Markdown(options.Rows(&c)))
		}
	case plugin.KindSink:
		d := delivery.DefaultOptions()
		fmt.Fprintf(w, "\nEvery sink has these as well:\n\n%s", options.Markdown(options.Rows(&d)))
	}
}

// printRights prints the rights that the user of a plugin needs, as commands for Redis.
func printRights(w io.Writer, t pluginType) error {
	if len(t.Rights()) == 0 {
		return fmt.Errorf("%s uses no Redis of its own", t.Name())
	}
	fmt.Fprintf(w, "# What the user of the %s %s may do at Redis.\nACL SETUSER gateway reset on >PASSWORD\n", t.Kind(), t.Name())
	for _, r := range t.Rights() {
		if r.For != "" {
			fmt.Fprintf(w, "\n# for %s:\n", r.For)
		}
		fmt.Fprintf(w, "ACL SETUSER gateway %s\n", r.Rules)
	}
	return nil
}

// capabilityText describes each capability.
var capabilityText = map[plugin.Capability]string{
	plugin.Replays:         "emits events again that were not delivered",
	plugin.AnswersSenders:  "answers each sender when its events are delivered",
	plugin.ElectsLeader:    "can elect a leader",
	plugin.Concurrent:      "takes several workers",
	plugin.Deduplicates:    "cannot be a sink of a source that replays",
	plugin.Stateful:        "cannot be before a sink that takes its history from a source",
	plugin.KeepsFields:     "keeps the names of fields, so that gateway tap shows what comes before a mask",
	plugin.KeepsState:      "keeps state over a restart, where the setting state says",
	plugin.ReportsAttempts: "reports its attempts, which the page and gateway attempts show",
	plugin.Durable:         "stores events, so that it can be the dead_letter sink of a source that replays",
}
