package plugintest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// TransformHarness says how to test one transform.
type TransformHarness struct {
	Type  plugin.TransformType
	Cases []TransformCase
	// Bad maps options, in YAML, to what is said about them: "options:1:9: fields[0]: ...".
	Bad map[string]string
	// Example changes the options, in YAML, of the example in README.md before it is
	// run; nil leaves them.
	Example func(options string) string
}

// TransformCase is one payload and what becomes of it.
type TransformCase struct {
	Name    string
	Options string // in YAML
	In      string
	Out     []string
	Error   string // part of the error; "" for none
	// Beside checks what stands beside the payload of the i-th event of Out; nil where
	// it is that of the event that came in.
	Beside func(t *testing.T, i int, e *event.Event)
}

// Incoming is the event that transforms get in the suite.
func Incoming(payload string) *event.Event {
	return &event.Event{
		ID: "id", Source: "source", Channel: "channel", Key: "key", Time: Now(), Data: []byte(payload),
		Attrs: []event.Attr{{Name: "table", Value: "orders"}},
	}
}

// NewTransform makes an instance of options that are written in YAML.
func NewTransform(t testing.TB, typ plugin.TransformType, options string, env plugin.Env) plugin.Transform {
	t.Helper()
	tr, err := configure(t, typ, options, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTransform(t, tr) })
	return tr
}

func closeTransform(t testing.TB, tr plugin.Transform) {
	if c, ok := tr.(plugin.Closer); ok {
		ctx, cancel := context.WithTimeout(context.Background(), wait) // t's has ended in a cleanup
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// Transform runs the suite on a transform.
func Transform(t *testing.T, h TransformHarness) {
	t.Run("documented", func(t *testing.T) { documented(t, h.Type) })
	t.Run("example", func(t *testing.T) { example(t, h) })
	for text, want := range h.Bad {
		t.Run("bad "+text, func(t *testing.T) {
			tr, err := configure(t, h.Type, text, Env(t))
			if err == nil {
				closeTransform(t, tr)
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v, want %q", err, want)
			}
		})
	}
	for _, c := range h.Cases {
		t.Run(c.Name, func(t *testing.T) {
			tr := NewTransform(t, h.Type, c.Options, Env(t))
			for range 2 { // an instance is used again
				apply(t, tr, c)
			}
		})
	}
}

func apply(t *testing.T, tr plugin.Transform, c TransformCase) {
	in, before := Incoming(c.In), Incoming(c.In)
	out, err := Apply(t.Context(), tr, in)
	var got []string
	for i, e := range out {
		got = append(got, string(e.Data))
		if c.Beside != nil {
			c.Beside(t, i, e)
		} else if !sameBeside(e, before) {
			t.Errorf("the event lost what stands beside its payload: %+v", e)
		}
	}
	if !slices.Equal(got, c.Out) {
		t.Errorf("got  %s\nwant %s", got, c.Out)
	}
	if (err != nil) != (c.Error != "") || err != nil && !strings.Contains(err.Error(), c.Error) {
		t.Errorf("error %v, want %q", err, c.Error)
	}
	if string(in.Data) != c.In || !sameBeside(in, before) {
		t.Error("Apply changed the event it got")
	}
}

// Apply calls tr as the router does: it returns what was emitted, and nothing after an error.
func Apply(ctx context.Context, tr plugin.Transform, e *event.Event) (out []*event.Event, err error) {
	if err := tr.Apply(ctx, e, func(e *event.Event) { out = append(out, e) }); err != nil {
		return nil, err
	}
	return out, nil
}

func sameBeside(a, b *event.Event) bool {
	return a.ID == b.ID && a.Source == b.Source && a.Channel == b.Channel && a.Key == b.Key && a.Time.Equal(b.Time) && slices.Equal(a.Attrs, b.Attrs)
}

// Now is the time at which the suite's clock stands.
func Now() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC) }
