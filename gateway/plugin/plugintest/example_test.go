package plugintest_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

// Options of the sink memory.
type Options struct {
	Prefix string `koanf:"prefix" doc:"text before each payload"`
}

// memory is a sink that stores payloads.
type memory struct {
	o  Options
	to *store
}

type store struct {
	mu       sync.Mutex
	payloads []string
}

func (m *memory) Write(ctx context.Context, events []*event.Event) error {
	m.to.mu.Lock()
	defer m.to.mu.Unlock()
	for _, e := range events {
		m.to.payloads = append(m.to.payloads, m.o.Prefix+string(e.Data))
	}
	return nil
}

func newMemory(to *store) plugin.SinkType {
	return plugin.NewSink("memory", "Stores payloads in memory.", func() Options { return Options{} },
		func(o Options, _ plugin.Env) (plugin.Sink, error) { return &memory{o, to}, nil })
}

// TestMemory shows the whole test of a sink.
func TestMemory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("README.md", []byte(readme), 0o600); err != nil {
		t.Fatal(err)
	}
	to := &store{}
	plugintest.Sink(t, plugintest.SinkHarness{
		Type: newMemory(to),
		Receive: func(t testing.TB, _ plugin.Env) (next func() string) {
			to.mu.Lock()
			defer to.mu.Unlock()
			n := len(to.payloads)
			return func() string {
				to.mu.Lock()
				defer to.mu.Unlock()
				if n == len(to.payloads) { // it must have arrived, because Write has returned
					t.Fatal("no payload has arrived")
				}
				n++
				return to.payloads[n-1]
			}
		},
	})
}

const readme = `# memory

| option | type | default | meaning |
| --- | --- | --- | --- |
| ` + "`prefix`" + ` | text |  | text before each payload |
`

// ExampleApply applies a transform outside the suite.
func ExampleApply() {
	half := plugin.NewTransform("half", "Halves payloads.", func() struct{} { return struct{}{} },
		func(struct{}, plugin.Env) (plugin.Transform, error) { return halver{}, nil })
	tr, _ := half.Build(half.Defaults(), plugin.Env{})
	out, err := plugintest.Apply(context.Background(), tr, plugintest.NewEvent("abcd"))
	for _, e := range out {
		fmt.Println(string(e.Data), e.Key)
	}
	fmt.Println(err)
	// Output:
	// ab key
	// cd key
	// <nil>
}

type halver struct{}

func (halver) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	emit(e.WithData(e.Data[:len(e.Data)/2]))
	emit(e.WithData(e.Data[len(e.Data)/2:]))
	return nil
}
