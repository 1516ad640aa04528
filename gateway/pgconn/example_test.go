package pgconn_test

import (
	"context"
	"errors"
	"fmt"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// jobs is a source of which one of several gateways captures: it embeds an elector, and its type has the capability ElectsLeader.
type jobs struct {
	pgconn.Elector
}

// Run is called only where this gateway leads.
func (s *jobs) Run(ctx context.Context, out plugin.Output) error {
	conn, err := pgconn.Connect(ctx, s.Config)
	if err != nil {
		return plugin.UnlessDone(ctx, pgconn.Unavailable(err))
	}
	defer conn.Close(context.WithoutCancel(ctx))
	out.Ready()
	<-ctx.Done()
	return nil
}

// The leader is elected at the database that the source reads. An error of the URL names the option, so that the gateway reports its line.
func ExampleElector() {
	type jobsOptions struct {
		URL options.URL `koanf:"url" rule:"required,scheme=postgres|postgresql" doc:"where the database is"`
	}
	typ := plugin.NewSource("jobs", "Reads jobs.", func() jobsOptions { return jobsOptions{} }, func(o jobsOptions, env plugin.Env) (plugin.Source, error) {
		config, err := pgconn.PrimaryConfig(o.URL, env.Name)
		if err != nil {
			return nil, &plugin.OptionError{Option: "url", Err: err}
		}
		return &jobs{pgconn.Elector{Config: config, URL: o.URL, Log: env.Log}}, nil
	}).With(plugin.ElectsLeader)
	for _, url := range []string{"postgres://db.example/shop", "postgres://db.example/shop?sslmode=perhaps"} {
		o := typ.Defaults().(*jobsOptions)
		o.URL = options.NewURL(url)
		source, err := typ.Build(o, plugin.Env{Name: "jobs"})
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
