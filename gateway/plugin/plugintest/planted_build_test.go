package plugintest

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// globalOptions returns a sink whose instances all use the options of the last one.
func globalOptions() planted {
	var mu sync.Mutex
	var last postOptions
	return sinkFault("all instances use the options of the last one", ruleInstances, sinkHooks{
		build: func(o postOptions, env plugin.Env) (*post, error) {
			mu.Lock()
			defer mu.Unlock()
			last = o
			return newPost(o, env)
		},
		open: func(s *post, ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			s.o = last
			return s.Open(ctx)
		},
	})
}

// buildFaults returns faults in Build, in metrics and with secrets.
func buildFaults() []planted {
	building := func(name, rule string, f func(postOptions, plugin.Env) error) planted {
		return sinkFault(name, rule, sinkHooks{build: func(o postOptions, env plugin.Env) (*post, error) {
			if err := f(o, env); err != nil {
				return nil, err
			}
			return newPost(o, env)
		}})
	}
	hang := make(chan struct{})
	count := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return []planted{
		globalOptions(),
		building("Build sets an environment variable", ruleInstances, func(_ postOptions, env plugin.Env) error {
			return os.Setenv("PLUGINTEST_PLANTED", time.Now().String())
		}),
		building("an OptionError names an unknown option", ruleErrors, func(o postOptions, _ plugin.Env) error {
			if o.URL.IsZero() {
				return &plugin.OptionError{Option: "uri", Err: errors.New("is missing")}
			}
			return nil
		}),
		building("Build reads its state", ruleState, func(_ postOptions, env plugin.Env) error {
			_, _ = env.State.Get(context.Background(), "k")
			return nil
		}),
		building("Build panics", rulePanics, func(postOptions, plugin.Env) error { panic("planted") }),
		building("Build panics on empty options", rulePanics, func(o postOptions, _ plugin.Env) error {
			_ = strings.Split(o.URL.Reveal(), ":")[1]
			return nil
		}),
		building("Build panics on an extreme number", rulePanics, func(o postOptions, _ plugin.Env) error { _ = make([]int, 3)[o.Tries-1 : 1]; return nil }),
		building("Build connects to the server", ruleBuild, func(o postOptions, _ plugin.Env) error {
			if conn, err := net.Dial("tcp", strings.TrimPrefix(o.URL.Reveal(), "http://")); err == nil {
				conn.Close()
			}
			return nil
		}),
		building("Build fails while its server is unavailable", ruleBuild, func(o postOptions, _ plugin.Env) error {
			conn, err := net.Dial("tcp", strings.TrimPrefix(o.URL.Reveal(), "http://"))
			if err == nil {
				conn.Close()
			}
			return err
		}),
		building("Build hangs", ruleContext, func(postOptions, plugin.Env) error { <-hang; return nil }),
		building("Build returns a typed nil", ruleErrors, func(postOptions, plugin.Env) error { var err *nilError; return err }),
		building("a metric has a reserved name", ruleMetrics, func(_ postOptions, env plugin.Env) error {
			return env.Metrics.Register(count("gateway_sink_in_total", "x"))
		}),
		building("a metric is registered twice", ruleMetrics, func(_ postOptions, env plugin.Env) error {
			_ = env.Metrics.Register(count("gateway_post_twice_total", "x"))
			return env.Metrics.Register(count("gateway_post_twice_total", "x"))
		}),
		building("the help of a metric differs between instances", ruleMetrics, func(_ postOptions, env plugin.Env) error {
			return env.Metrics.Register(count("gateway_post_named_total", "of "+env.Name))
		}),
		building("a metric is registered for the whole process", ruleMetrics, func(postOptions, plugin.Env) error {
			_ = prometheus.Register(count("gateway_post_global_total", "x"))
			return nil
		}),
		building("a metric has the label that the router adds", ruleMetrics, func(_ postOptions, env plugin.Env) error {
			return env.Metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gateway_post_labelled", Help: "x"}, []string{"sink"}))
		}),
		building("a secret is logged", ruleSecrets, func(o postOptions, env plugin.Env) error {
			env.Log.Info("built", "token", o.Token.Reveal())
			return nil
		}),
		building("a URL is logged with its password", ruleSecrets, func(o postOptions, env plugin.Env) error { env.Log.Debug("built", "url", o.URL.Reveal()); return nil }),
		building("a secret is in a metric", ruleSecrets, func(o postOptions, env plugin.Env) error {
			g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gateway_post_info", Help: "x", ConstLabels: prometheus.Labels{"url": o.URL.Reveal()}})
			return env.Metrics.Register(g)
		}),
		building("a secret is in an error of Build", ruleSecrets, func(o postOptions, _ plugin.Env) error {
			if t := o.Token.Reveal(); t != "" {
				return errors.New("the token " + t + " is invalid")
			}
			return nil
		}),
		sinkFault("a secret is in an error of Open", ruleSecrets, sinkHooks{open: func(s *post, ctx context.Context) error {
			if err := s.Open(ctx); err != nil {
				return errors.New("cannot reach " + s.o.URL.Reveal())
			}
			return nil
		}}),
		onWrite("a secret is logged by Write", ruleSecrets, func(s *post, ctx context.Context, e []*event.Event) error {
			s.env.Log.Debug("request", "header", "Bearer "+s.o.Token.Reveal())
			return s.Write(ctx, e)
		}),
	}
}
