package redisconn_test

import (
	"context"
	"errors"
	"fmt"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// feed is a source with a leader: one of several gateways runs it. It embeds an elector, and its type has the capability ElectsLeader.
type feed struct {
	redisconn.Elector
	config *redisconn.Config
}

// Run is called only where this gateway leads.
func (f *feed) Run(ctx context.Context, out plugin.Output) error {
	client := f.config.NewClient()
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return plugin.UnlessDone(ctx, redisconn.Unavailable(err, err, redisconn.Command{}))
	}
	out.Ready()
	<-ctx.Done()
	return nil
}

// The options of a plugin for a Redis are a URL, and the certificates of TLS. An error names the option, so that the gateway reports its line.
func ExampleNewElector() {
	type feedOptions struct {
		URL options.URL `koanf:"url" rule:"required,scheme=redis|rediss" doc:"where the Redis is"`
		TLS options.TLS `koanf:"tls"`
	}
	typ := plugin.NewSource("feed", "Reads a feed.", func() feedOptions { return feedOptions{} }, func(o feedOptions, _ plugin.Env) (plugin.Source, error) {
		config, err := redisconn.ParseOptions("url", o.URL, o.TLS)
		if err != nil {
			return nil, err
		}
		return &feed{redisconn.NewElector(config, o.URL), config}, nil
	}).With(plugin.ElectsLeader)
	for _, url := range []string{"rediss://cache.example:6379", "redis://cache.example:6379/none"} {
		o := typ.Defaults().(*feedOptions)
		o.URL = options.NewURL(url)
		source, err := typ.Build(o, plugin.Env{})
		var wrong *plugin.OptionError
		if errors.As(err, &wrong) {
			fmt.Println("the option", wrong.Option, "is wrong")
			continue
		}
		_, elects := source.(plugin.Elector)
		fmt.Println("elects a leader:", elects)
	}
	// Output:
	// elects a leader: true
	// the option url is wrong
}
