package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
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

func (p *part) Open(context.Context) error {
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
		return p, env.Metrics.Register(gauge)
	})
	return SinkSpec{Name: name, Type: t, Options: &versioned{version}, Delivery: DefaultDelivery()}
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

func TestReloadReplacesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		graph := func(in, same, changed int) Graph {
			return Graph{
				Sources: []SourceSpec{partSource(j, "in", in, nil)},
				Sinks:   []SinkSpec{partSink(j, "same", same, nil), partSink(j, "changed", changed, nil)},
				Routes:  routeTo("same", "changed"),
			}
		}
		r := start(t, graph(1, 1, 1))
		synctest.Wait()
		j.take()
		if err := r.reload(t, graph(1, 1, 2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got, want := j.take(), []string{"changed2 opens", "changed1 closed"}; !slices.Equal(got, want) {
			t.Errorf("another sink: %q, want %q", got, want)
		}
		if a, b := r.version(t, "same"), r.version(t, "changed"); a != "1" || b != "2" {
			t.Errorf("metrics of versions %s and %s", a, b)
		}
		j.take()
		if err := r.reload(t, graph(2, 1, 2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got, want := j.take(), []string{"in1 ended", "in1 closed", "in2 runs"}; !slices.Equal(got, want) {
			t.Errorf("another source: %q, want %q", got, want)
		}
		if s := r.Status().Sources[0]; s.Gaps != 1 { // it cannot replay
			t.Errorf("%+v", s)
		}
		j.take()
		g := graph(2, 1, 2)
		g.Sinks[0].Delivery.Retry.Attempts = 7 // the router's affair: the plugin runs on
		if err := r.reload(t, g); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := j.take(); len(got) != 0 {
			t.Errorf("other retries: %q", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadThatFailsChangesNothing: whether a component cannot be built, be mounted
// or be opened; and what was built for it is closed again.
func TestReloadThatFailsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		good := Graph{Sources: []SourceSpec{partSource(j, "in", 1, nil)}, Sinks: []SinkSpec{partSink(j, "out", 1, nil)}, Routes: routeTo("out")}
		r := start(t, good)
		synctest.Wait()
		j.take()
		unopened := good
		unopened.Sinks = append(slices.Clone(good.Sinks), partSink(j, "new", 1, func(p *part) { p.openErr = errSink }))
		unopened.Sources = []SourceSpec{partSource(j, "in", 2, nil)}
		if err := r.reload(t, unopened); err == nil || !strings.Contains(err.Error(), "sinks.new: sink says no") {
			t.Errorf("a sink that cannot be opened: %v", err)
		}
		if got, want := j.take(), []string{"new1 opens", "in2 closed", "new1 closed"}; len(got) != 3 || got[0] != want[0] || !slices.Contains(got, want[1]) || !slices.Contains(got, want[2]) {
			t.Errorf("%q, want %q", got, want)
		}
		unbuilt := good
		unbuilt.Sinks = append(slices.Clone(good.Sinks), partSink(j, "new", 1, func(*part) { panic("build") }))
		if err := r.reload(t, unbuilt); err == nil || !strings.Contains(err.Error(), "sinks.new: panic: build") {
			t.Errorf("a sink that cannot be built: %v", err)
		}
		if got := j.take(); len(got) != 0 {
			t.Errorf("%q", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestSuccessorTakesOverWhatWaits: a sink that is dead is replaced by one that works;
// the source that it blocks goes on at once, and nothing is lost, doubled or swapped.
func TestSuccessorTakesOverWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		var got []string
		graph := func(version int) Graph {
			out := partSink(j, "out", version, func(p *part) {
				p.write = func(_ context.Context, events []*event.Event) error {
					if version == 1 {
						return errSink
					}
					got = append(got, texts(events)...)
					return nil
				}
			})
			out.Delivery.Queue.Size, out.Delivery.Queue.MaxBlock = 10, options.Duration(time.Hour)
			return Graph{
				Sources: []SourceSpec{partSource(j, "in", 1, func(p *part) {
					p.from = func(ctx context.Context, o plugin.Output) error { return emits(100, nil).Run(ctx, still{o}) }
				})},
				Sinks: []SinkSpec{out}, Routes: routeTo("out"),
			}
		}
		r := start(t, graph(1))
		time.Sleep(time.Minute)
		if err := r.reload(t, graph(2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if st := r.Status().Sinks[0]; st.In != 100 || st.Delivered != 100 || st.Errors == 0 || st.Retries == 0 {
			t.Errorf("%+v", st)
		}
		for i, text := range got {
			if text != fmt.Sprint(i) {
				t.Fatalf("got %v", got)
			}
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// still is an Output whose Ready was called before.
type still struct{ plugin.Output }

func (still) Ready() {}

// TestRemovedSinkDelivers what waits for it, and its metrics go; a sink that is new
// gets what is emitted from then on.
func TestRemovedSinkDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		emit := make(chan string)
		source := partSource(j, "in", 1, func(p *part) {
			p.from = func(ctx context.Context, out plugin.Output) error {
				for {
					select {
					case text := <-emit:
						_ = out.Emit(ctx, event.Batch{Events: []*event.Event{{Time: time.Now(), Data: []byte(text)}}})
					case <-ctx.Done():
						return nil
					}
				}
			}
		})
		slow := partSink(j, "slow", 1, func(p *part) {
			p.write = func(_ context.Context, events []*event.Event) error {
				time.Sleep(time.Second)
				j.add("slow: %s", strings.Join(texts(events), " "))
				return nil
			}
		})
		slow.Delivery.Queue.Batch = 1
		r := start(t, Graph{Sources: []SourceSpec{source}, Sinks: []SinkSpec{slow}, Routes: routeTo("slow")})
		for _, text := range []string{"a", "b", "c"} {
			emit <- text
		}
		synctest.Wait()
		if err := r.reload(t, Graph{Sources: []SourceSpec{source}, Sinks: []SinkSpec{partSink(j, "new", 1, nil)}, Routes: routeTo("new")}); err != nil {
			t.Fatal(err)
		}
		emit <- "d"
		time.Sleep(time.Minute)
		got := j.take()
		for _, want := range []string{"slow: a", "slow: b", "slow: c", "slow1 closed", "new1: d"} {
			if !slices.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
		if r.version(t, "slow") != "none" || r.version(t, "new") != "1" {
			t.Error("the metrics are not those of the new graph")
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReplacedSourceIsClosedWhenAllIsSettled: its acks still come, and none comes
// after Close; the successor starts at once when the predecessor has ended, and the
// counts go on.
func TestReplacedSourceIsClosedWhenAllIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		source := func(version int) SourceSpec {
			spec := partSource(j, "in", version, func(p *part) {
				p.from = func(ctx context.Context, out plugin.Output) error {
					return emits(3, func(err error) { j.add("in%d: ack %v", version, err) }).Run(ctx, still{out})
				}
			})
			spec.Type = spec.Type.With(plugin.Replays)
			return spec
		}
		slow := partSink(j, "out", 1, func(p *part) {
			p.write = func(context.Context, []*event.Event) error { time.Sleep(5 * time.Second); return nil }
		})
		slow.Delivery.Queue.Batch = 1
		graph := func(version int) Graph {
			return Graph{Sources: []SourceSpec{source(version)}, Sinks: []SinkSpec{slow}, Routes: routeTo("out")}
		}
		r := start(t, graph(1))
		synctest.Wait()
		j.take()
		if err := r.reload(t, graph(2)); err != nil { // 3 writes of 5 s, and 10 s until what is replaced must end
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got := j.take()
		closed := slices.Index(got, "in1 closed")
		if closed < 0 || slices.Contains(got[closed:], "in1: ack <nil>") || !slices.Contains(got[:closed], "in1: ack <nil>") {
			t.Errorf("%q", got)
		}
		if st := r.Status().Sources[0]; st.Emitted != 6 || st.Acked != 6 || st.Gaps != 0 {
			t.Errorf("%+v", st)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestHandlersMoveToTheNewTable, those of components that run on as well.
func TestHandlersMoveToTheNewTable(t *testing.T) {
	j := &journal{}
	r := newRouter(t)
	graph := func(b int) Graph {
		return Graph{Sources: []SourceSpec{partSource(j, "in", 1, nil)}, Sinks: []SinkSpec{partSink(j, "a", 1, nil), partSink(j, "b", b, nil)}, Routes: routeTo("a", "b"), DrainTimeout: time.Second}
	}
	first := table{}
	p, err := r.Plan(graph(1), first)
	if err != nil || !first["/a"] || !first["/b"] {
		t.Fatalf("%v, %v", first, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, p) }()
	awaitRunning(r)
	for version := 2; version < 4; version++ {
		second := table{}
		p, err = r.Plan(graph(version), second)
		if err == nil {
			err = r.Reload(t.Context(), p, func() {})
		}
		if err != nil || !second["/a"] || !second["/b"] {
			t.Errorf("%v, %v", second, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
