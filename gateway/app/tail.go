package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// tailOptions are the flags of `gateway tail`.
type tailOptions struct {
	json     bool
	filter   string
	channels []string
	token    options.Secret
	count    int  // end after so many events; 0: never
	last     uint // begin with the matching ones of this many latest events of a gateway; 0: with new ones
}

// tailURL is the URL for tail without an argument and without WS_URL.
const tailURL = "ws://localhost:8080"

func tailCommand(set plugin.Set, f *flags) *cobra.Command {
	var o tailOptions
	token := ""
	cmd := &cobra.Command{
		Use:   "tail [URL]",
		Short: "Print events as they come, from a gateway, a Redis channel or a PostgreSQL channel",
		Long: `Prints events as they come, until it is interrupted. URL is that of a gateway
(ws://, wss://, http:// or https://; default WS_URL or ws://localhost:8080), of a Redis or of
a PostgreSQL; the latter two need --channel. tail reconnects with growing pauses, and
reports where events may have been missed. A gateway whose websocket sink has auth needs a
token: --token, or the variable WS_TOKEN.

Events go to standard output, everything else to standard error.`,
		Example: `  gateway tail
  gateway tail --last 10 -n 10
  gateway tail --filter 'operation == "INSERT" && order.amount > 100'
  gateway tail redis://localhost --channel orders_updates --json | jq .order.id
  gateway tail "$DATABASE_URL" --channel orders_channel`,
		Args: cobra.MaximumNArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			env, err := f.env()
			if err != nil {
				return err
			}
			raw := tailURL
			if value, _, err := env.Lookup("WS_URL"); err != nil {
				return err
			} else if value != "" {
				raw = value
			}
			if len(args) > 0 {
				raw = args[0]
			}
			if token == "" {
				if token, _, err = env.Lookup("WS_TOKEN"); err != nil {
					return err
				}
			}
			o.token = options.NewSecret(token)
			return tail(cmd.Context(), set, raw, o)
		}),
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print each event as one line of JSON")
	cmd.Flags().StringVar(&o.filter, "filter", "", "print only events that meet this `condition`")
	cmd.Flags().StringSliceVar(&o.channels, "channel", nil, "`channel` of Redis or PostgreSQL; may be given several times")
	cmd.Flags().StringVar(&token, "token", "", "`token` for a gateway whose websocket sink has auth")
	cmd.Flags().IntVarP(&o.count, "count", "n", 0, "end after this number of `events`; 0: go on until it is interrupted")
	cmd.Flags().UintVar(&o.last, "last", 0, "begin with this number of the latest `events` of the gateway's history; 0: with new ones")
	return cmd
}

// tail runs a small graph: a source, an optional filter, and stdout.
func tail(ctx context.Context, set plugin.Set, raw string, o tailOptions) error {
	levels, err := newLogLevels(&config.Config{Log: config.Log{Level: "info"}})
	if err != nil {
		return err
	}
	log := newLog(os.Stderr, "text", levels)
	ctx, done := context.WithCancel(ctx)
	defer done()
	g, err := tailGraph(set, raw, o, done)
	if err != nil {
		return err
	}
	r := router.New(log)
	p, err := r.Plan(g, httpserver.NewTable())
	if err != nil {
		return err
	}
	ctx, stop := signals(ctx, log)
	defer stop()
	return r.Run(ctx, p)
}

// tailGraph returns the graph of tail. It calls done after the last event, where o bounds their number.
func tailGraph(set plugin.Set, raw string, o tailOptions, done func()) (router.Graph, error) {
	var u options.URL
	if err := u.UnmarshalText([]byte(raw)); err != nil {
		return router.Graph{}, fmt.Errorf("the URL %w", err)
	}
	b := tailBuilder{set: set, graph: router.Graph{DrainTimeout: 2 * time.Second}}
	route := router.RouteSpec{Name: "tail", From: []string{"events"}, To: []string{"screen"}}
	b.source(u, o)
	if o.filter != "" {
		t, opts := pick(&b, set.Transforms, "filter", map[string]any{"when": o.filter})
		route.Through = []router.TransformSpec{{Name: "filter", Type: t, Options: opts}}
	}
	format := "pretty"
	if o.json {
		format = "json"
	}
	t, opts := pick(&b, set.Sinks, "stdout", map[string]any{"format": format})
	if o.count > 0 && len(b.problems) == 0 {
		t, opts = limitedSink(t, opts, o.count, done), &struct{}{}
	}
	b.graph.Sinks = []router.SinkSpec{{Name: "screen", Type: t, Options: opts, Delivery: delivery.DefaultOptions()}}
	b.graph.Routes = []router.RouteSpec{route}
	return b.graph, errors.Join(b.problems...)
}

// tailBuilder builds a graph, and collects what is wrong with it.
type tailBuilder struct {
	set      plugin.Set
	graph    router.Graph
	problems []error
}

// source adds the source for the URL's scheme.
func (b *tailBuilder) source(u options.URL, o tailOptions) {
	spec := router.SourceSpec{Name: "events"}
	list := make([]any, len(o.channels))
	for i, c := range o.channels {
		list[i] = c
	}
	raw := map[string]any{"url": u.Reveal(), "channels": list}
	if scheme, ok := map[string]string{"http": "ws", "https": "wss"}[u.Scheme()]; ok {
		u = options.NewURL(scheme + u.Reveal()[len(u.Scheme()):])
	}
	gateway := u.Scheme() == "ws" || u.Scheme() == "wss"
	if !gateway && !o.token.IsZero() {
		b.problems = append(b.problems, errors.New("--token is for gateways: put the password of another server into its URL"))
	}
	if !gateway && o.last > 0 {
		b.problems = append(b.problems, errors.New("--last is for gateways: no other server has a history"))
	}
	switch u.Scheme() {
	case "ws", "wss":
		if len(o.channels) > 0 {
			b.problems = append(b.problems, errors.New("--channel is for Redis and PostgreSQL"))
		}
		spec.Type = websocketClient()
		spec.Options = &websocketClientOptions{URL: u, Token: o.token, Last: o.last}
	case "redis", "rediss", "unix":
		spec.Type, spec.Options = pick(b, b.set.Sources, "redis-sub", raw)
	case "postgres", "postgresql":
		spec.Type, spec.Options = pick(b, b.set.Sources, "postgres-notify", raw)
	default:
		b.problems = append(b.problems, fmt.Errorf("cannot tail a URL that begins with %s://: give a ws://, http://, redis:// or postgres:// URL", u.Scheme()))
	}
	b.graph.Sources = []router.SourceSpec{spec}
}

// pick returns the type with a name, and its decoded options.
func pick[T any](b *tailBuilder, types []plugin.Type[T], name string, raw map[string]any) (plugin.Type[T], any) {
	i := slices.IndexFunc(types, func(t plugin.Type[T]) bool { return t.Name() == name })
	if i < 0 {
		b.problems = append(b.problems, fmt.Errorf("this gateway was built without the plugin %s", name))
		return plugin.Type[T]{}, nil
	}
	opts := types[i].Defaults()
	var d options.Decoder
	d.Decode("", raw, opts)
	for _, p := range d.Problems {
		b.problems = append(b.problems, fmt.Errorf("--%s: %s", strings.TrimSuffix(strings.Replace(p.Path, "when", "filter", 1), "s"), p.Text))
	}
	return types[i], opts
}
