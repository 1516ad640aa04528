package plugintest

import (
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
}

// TransformCase is one payload and what becomes of it.
type TransformCase struct {
	Name    string
	Options func(opts any)
	In      string
	Out     []string
	Error   string // part of the error; "" for none
}

// Transform runs the suite on a transform.
func Transform(t *testing.T, h TransformHarness) {
	t.Run("documented", func(t *testing.T) { documented(t, h.Type) })
	for _, c := range h.Cases {
		t.Run(c.Name, func(t *testing.T) {
			tr := build(t, h.Type, c.Options, Env(t))
			first := &event.Event{Data: []byte("was there before")}
			for range 2 { // an instance is used again
				in := &event.Event{ID: "id", Source: "source", Channel: "channel", Key: "key", Time: time.Unix(1700000000, 0), Data: []byte(c.In)}
				before := *in
				out, err := tr.Apply(t.Context(), in, []*event.Event{first})
				if len(out) == 0 || out[0] != first {
					t.Fatal("what was in out before is gone")
				}
				out = out[1:]
				var got []string
				for _, e := range out {
					got = append(got, string(e.Data))
					if e.ID != "id" || e.Source != "source" || e.Channel != "channel" || e.Key != "key" || !e.Time.Equal(before.Time) {
						t.Errorf("the event lost what stands beside its payload: %+v", e)
					}
				}
				if !slices.Equal(got, c.Out) {
					t.Errorf("got  %s\nwant %s", got, c.Out)
				}
				if (err != nil) != (c.Error != "") || err != nil && !strings.Contains(err.Error(), c.Error) {
					t.Errorf("error %v, want %q", err, c.Error)
				}
				if err != nil && len(out) > 0 {
					t.Error("something goes on although there is an error")
				}
				if string(in.Data) != c.In || in.ID != before.ID || in.Source != before.Source {
					t.Error("Apply changed the event it got")
				}
			}
		})
	}
}
