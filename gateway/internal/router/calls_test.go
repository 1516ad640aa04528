package router

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/component"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/plugin"
)

// hooked is a sink made of functions.
type hooked struct {
	open, close func(context.Context) error
	write       func(context.Context, []*event.Event) error
}

func (h *hooked) Open(ctx context.Context) error  { return h.open(ctx) }
func (h *hooked) Close(ctx context.Context) error { return h.close(ctx) }
func (h *hooked) Write(ctx context.Context, e []*event.Event) error {
	return h.write(ctx, e)
}

func newHooked() *hooked {
	fine := func(context.Context) error { return nil }
	return &hooked{fine, fine, func(context.Context, []*event.Event) error { return nil }}
}

// TestCloseThatNeverReturns delays a stop, a reload and a plan that is discarded, and no more. The
// component says so.
func TestCloseThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		hangs := newHooked()
		hangs.close = func(context.Context) error { <-let; return nil }
		graph := func(s *hooked) Graph {
			return Graph{Sources: []SourceSpec{sourceSpec("in", emits(1, nil))}, Sinks: []SinkSpec{sinkSpec("out", s, nil)}, Routes: routeTo("out")}
		}
		r := start(t, graph(hangs))
		time.Sleep(time.Second)
		begin := time.Now()
		err := r.stop()
		if err == nil || !strings.Contains(err.Error(), "closing sink out: the plugin does not return from Close") || time.Since(begin) > 15*time.Second {
			t.Errorf("stopped after %v: %v", time.Since(begin), err)
		}
		p, err := newRouter(t).Plan(graph(hangs), table{})
		if err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		p.Discard()
		if time.Since(begin) > 5*time.Second {
			t.Errorf("discarded after %v", time.Since(begin))
		}
		close(let)
	})
}

// TestPanicInClose is an error of the stop.
func TestPanicInClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newHooked()
		s.close = func(context.Context) error { panic("close") }
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(1, nil))}, Sinks: []SinkSpec{sinkSpec("out", s, nil)}, Routes: routeTo("out")})
		time.Sleep(time.Second)
		if err := r.stop(); err == nil || !strings.Contains(err.Error(), "panic: close") {
			t.Errorf("stop: %v", err)
		}
	})
}

// TestWriteThatNeverReturns shows, although nothing can be done about it.
func TestWriteThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		s := newHooked()
		s.write = func(context.Context, []*event.Event) error { <-let; return nil }
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(1, nil))}, Sinks: []SinkSpec{sinkSpec("out", s, nil)}, Routes: routeTo("out")})
		time.Sleep(delivery.DefaultOptions().Timeout.D() + component.CallGrace - time.Second)
		if s := r.Status().Sinks[0]; s.LastError != "" {
			t.Errorf("too early: %+v", s)
		}
		time.Sleep(2 * time.Second)
		if s := r.Status().Sinks[0]; s.LastError != "the plugin does not return from Write" {
			t.Errorf("%+v", s)
		}
		close(let)
		time.Sleep(time.Second)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestOpenThatRefuses: what no retry can mend disables the sink, and is not tried again.
func TestOpenThatRefuses(t *testing.T) {
	for name, mark := range map[string]func(error) error{"permanent": plugin.Permanent, "disabling": plugin.Disabling} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened := 0
				s := newHooked()
				s.open = func(context.Context) error { opened++; return mark(errSink) }
				r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", emits(2, nil))}, Sinks: []SinkSpec{sinkSpec("out", s, nil)}, Routes: routeTo("out")})
				time.Sleep(time.Hour)
				if s := r.Status().Sinks[0]; s.Breaker.State != stats.BreakerDisabled || s.Up || s.Queued != 2 || opened != 1 {
					t.Errorf("opened %d times: %+v", opened, s)
				}
				_ = r.stop() // what no source can replay is lost, which it says
			})
		})
	}
}

// TestUnavailableOpensAgain: a sink with a connection of its own is opened again before the next Write,
// and all that was not delivered is written then.
func TestUnavailableOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		connected := false
		var gone atomic.Bool
		s := newHooked()
		s.open = func(context.Context) error {
			calls = append(calls, "open")
			if gone.Load() {
				return plugin.Unavailable(errSink)
			}
			connected = true
			return nil
		}
		s.write = func(_ context.Context, events []*event.Event) error {
			if !connected {
				t.Error("Write without a connection")
			}
			calls = append(calls, strings.Join(texts(events), " "))
			if len(calls) == 2 {
				connected = false
				gone.Store(true)
				return plugin.Delivered(1, plugin.Unavailable(errSink))
			}
			return nil
		}
		source := sourceFunc(func(ctx context.Context, out plugin.Output) error {
			out.Ready()
			if err := out.Emit(ctx, event.Batch{Events: []*event.Event{{Data: []byte("0")}, {Data: []byte("1")}, {Data: []byte("2")}}}); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
		r := start(t, Graph{Sources: []SourceSpec{sourceSpec("in", source)}, Sinks: []SinkSpec{sinkSpec("out", s, nil)}, Routes: routeTo("out")})
		time.Sleep(time.Minute)
		gone.Store(false)
		time.Sleep(time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := slices.Compact(calls); !slices.Equal(got, []string{"open", "0 1 2", "open", "1 2"}) {
			t.Errorf("calls %q", got)
		}
	})
}

// TestMetricsThatClash: the name of one of the router's is refused when the plugin is built; another
// help or type costs no other metric.
func TestMetricsThatClash(t *testing.T) {
	exports := func(name string, c prometheus.Collector) SinkSpec {
		typ := plugin.NewSink("test", "", func() none { return none{} }, func(_ none, env plugin.Env) (plugin.Sink, error) {
			env.Metrics.MustRegister(c)
			return &keeps{}, nil
		})
		return SinkSpec{Name: name, Type: typ, Options: typ.Defaults(), Delivery: delivery.DefaultOptions()}
	}
	gauge := func(name, help string) prometheus.Collector {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	graph := func(sinks ...SinkSpec) Graph {
		g := Graph{Sources: []SourceSpec{sourceSpec("in", emits(0, nil))}, Sinks: sinks}
		for _, s := range sinks {
			g.Routes = append(g.Routes, RouteSpec{Name: s.Name, From: []string{"in"}, To: []string{s.Name}})
		}
		return g
	}
	for _, name := range []string{"gateway_up", "gateway_latency_seconds"} {
		if _, err := newRouter(t).Plan(graph(exports("own", gauge(name, "x"))), table{}); err == nil || !strings.Contains(err.Error(), "the router's own") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := start(t, graph(exports("a", gauge("depth", "one")), exports("b", gauge("depth", "two")),
		exports("c", prometheus.NewCounter(prometheus.CounterOpts{Name: "depth"})), exports("d", gauge("other", ""))))
	if err := r.plan.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Error(err)
	}
	found := map[string]int{}
	for _, f := range families {
		found[f.GetName()] = len(f.GetMetric())
	}
	if found["depth"] != 2 || found["other"] != 1 || found["gateway_conserved"] != 1 {
		t.Errorf("found %v", found)
	}
	if s := r.Status().Sinks[2]; !strings.Contains(s.LastError, "depth") {
		t.Errorf("%+v", s)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// misspelt is a sink whose Close is never called.
type misspelt struct{ keeps }

func (*misspelt) Close() error { return nil }

// opened is a source with a method of a sink.
type opened struct{ plugin.Source }

func (opened) Open(context.Context) error { return nil }

// value is a sink whose Close has a pointer receiver.
type value struct{ plugin.Sink }

func (*value) Close(context.Context) error { return nil }

// TestMisspeltMethods: a method with the name of an optional one that is never called, and a capability
// without its method, are refused when the plugin is built.
func TestMisspeltMethods(t *testing.T) {
	elects := sourceSpec("in", emits(0, nil))
	elects.Type = elects.Type.With(plugin.ElectsLeader)
	var none *keeps
	for want, g := range map[string]Graph{
		"the method Close would never be called":            {Sources: []SourceSpec{sourceSpec("in", emits(0, nil))}, Sinks: []SinkSpec{sinkSpec("out", &misspelt{}, nil)}, Routes: routeTo("out")},
		"the capability ElectsLeader, and its plugin is no": {Sources: []SourceSpec{elects}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")},
		"it belongs to a sink, and this is a source":        {Sources: []SourceSpec{sourceSpec("in", opened{emits(0, nil)})}, Sinks: []SinkSpec{sinkSpec("out", &keeps{}, nil)}, Routes: routeTo("out")},
		"build a pointer": {Sources: []SourceSpec{sourceSpec("in", emits(0, nil))}, Sinks: []SinkSpec{sinkSpec("out", value{&keeps{}}, nil)}, Routes: routeTo("out")},
		"sinks.out: the build function of the plugin has returned nil": {Sources: []SourceSpec{sourceSpec("in", emits(0, nil))}, Sinks: []SinkSpec{sinkSpec("out", none, nil)}, Routes: routeTo("out")},
	} {
		var broken *BuildError
		if _, err := newRouter(t).Plan(g, table{}); !errors.As(err, &broken) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestConfirmThatFails in its own way ends the run, as any lost leadership does; the process goes on,
// and the source campaigns again.
func TestConfirmThatFails(t *testing.T) {
	for _, name := range []string{"panics", "never returns"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				let := make(chan struct{})
				var calls atomic.Int64
				c := &candidate{part: part{j: &journal{}, name: "a", from: ticks("a")}, server: &lockServer{changed: make(chan struct{})}}
				c.confirm = func(ctx context.Context) error {
					switch {
					case calls.Add(1) != 3:
					case name == "panics":
						panic("confirm")
					default:
						<-let
					}
					return nil
				}
				r := start(t, candidateGraph(c, &keeps{}))
				time.Sleep(time.Minute)
				if s := r.Status().Sources[0]; s.Leader.Term != 2 || s.Leader.State != stats.Leading {
					t.Errorf("%+v, %+v", s, s.Leader)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				close(let)
			})
		})
	}
}
