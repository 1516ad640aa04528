package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/plugin"
)

// versioned is the option of components that are replaced when it changes.
type versioned struct {
	Version int `koanf:"version"`
}

// journal notes in one place what components do.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last time.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// part is a source and a sink that writes into a journal.
type part struct {
	j       *journal
	name    string
	from    func(ctx context.Context, out plugin.Output) error
	write   func(ctx context.Context, events []*event.Event) error
	openErr error
}

func (p *part) Run(ctx context.Context, out plugin.Output) error {
	p.j.add("%s runs", p.name)
	defer p.j.add("%s ended", p.name)
	out.Ready()
	if p.from != nil {
		return p.from(ctx, out)
	}
	<-ctx.Done()
	return nil
}

// sinkPart is a part that is opened.
type sinkPart struct{ *part }

func (p sinkPart) Open(context.Context) error {
	p.j.add("%s opens", p.name)
	return p.openErr
}

func (p *part) Write(ctx context.Context, events []*event.Event) error {
	if p.write != nil {
		return p.write(ctx, events)
	}
	p.j.add("%s: %s", p.name, strings.Join(texts(events), " "))
	return nil
}

func (p *part) Close(context.Context) error {
	p.j.add("%s closed", p.name)
	return nil
}

// partSource and partSink make specs whose part, for each version, change prepares.
func partSource(j *journal, name string, version int, change func(*part)) SourceSpec {
	t := plugin.NewSource("part", "", func() versioned { return versioned{} }, func(o versioned, _ plugin.Env) (plugin.Source, error) {
		p := &part{j: j, name: fmt.Sprint(name, o.Version)}
		if change != nil {
			change(p)
		}
		return p, nil
	})
	return SourceSpec{Name: name, Type: t, Options: &versioned{version}}
}

func partSink(j *journal, name string, version int, change func(*part)) SinkSpec {
	t := plugin.NewSink("part", "", func() versioned { return versioned{} }, func(o versioned, env plugin.Env) (plugin.Sink, error) {
		p := &part{j: j, name: fmt.Sprint(name, o.Version)}
		if change != nil {
			change(p)
		}
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "part_version"})
		gauge.Set(float64(o.Version))
		if err := env.HTTP.Handle("/"+name, http.NotFoundHandler()); err != nil {
			return nil, err
		}
		return sinkPart{p}, env.Metrics.Register(gauge)
	})
	return SinkSpec{Name: name, Type: t, Options: &versioned{version}, Delivery: delivery.DefaultOptions()}
}

// table is a plugin.Mounter that notes the patterns.
type table map[string]bool

func (m table) Handle(pattern string, _ http.Handler) error {
	if m[pattern] {
		return errors.New("the path is taken")
	}
	m[pattern] = true
	return nil
}

func (m table) HandleUpgrade(pattern string, h http.Handler) error { return m.Handle(pattern, h) }

func (r *started) reload(t *testing.T, g Graph) error {
	t.Helper()
	g.DrainTimeout = 10 * time.Second
	p, err := r.Plan(g, table{})
	if err != nil {
		return err
	}
	return r.Reload(t.Context(), p, func() {})
}

func (r *started) version(t *testing.T, sink string) string {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "part_version" && m.GetLabel()[0].GetValue() == sink {
				return fmt.Sprint(m.GetGauge().GetValue())
			}
		}
	}
	return "none"
}
