package router

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestWindowsBy: each value has a window of its own, and the events of a key stay in order.
func TestWindowsBy(t *testing.T) {
	by := func(w *Window) { w.Size, w.By = 3, mustBy("g") }
	payload := func(key, group string, n int) string { return fmt.Sprintf(`{"k":%q,"g":%q,"n":%d}`, key, group, n) }
	numbers := batchFunc(func(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
		var all []string
		for _, e := range w.Events {
			at := strings.LastIndex(string(e.Data), ":")
			all = append(all, strings.TrimSuffix(string(e.Data[at+1:]), "}"))
		}
		emit(w.Events[0].WithData([]byte(w.By + "=" + strings.Join(all, "+"))))
		return nil
	})
	for _, tc := range []struct {
		name   string
		events [][2]string // key, group
		attr   map[int]event.Attr
		want   []string
	}{
		{"groups", [][2]string{{"a", "x"}, {"b", "y"}, {"a", "x"}, {"b", "y"}, {"a", "x"}}, nil, []string{"x=0+2+4", "y=1+3"}},
		{"a key changes its group", [][2]string{{"a", "x"}, {"b", "x"}, {"a", "y"}, {"c", "y"}, {"c", "y"}}, nil, []string{"x=0+1", "y=2+3+4"}},
		{"and back", [][2]string{{"a", "x"}, {"a", "y"}, {"a", "x"}}, nil, []string{"x=0", "y=1", "x=2"}},
		{"without keys", [][2]string{{"", "x"}, {"", "y"}, {"", "x"}}, nil, []string{"x=0+2", "y=1"}},
		{"an event that spans keys", [][2]string{{"a", "x"}, {"b", "y"}, {"c", "x"}, {"a", "x"}}, map[int]event.Attr{2: {Name: event.AttrBarrier, Value: "t"}}, []string{"x=0", "y=1", "x=2", "x=3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &keeps{}
				source := sourceFunc(func(ctx context.Context, o plugin.Output) error {
					o.Ready()
					var b event.Batch
					for n, e := range tc.events {
						ev := &event.Event{Key: e[0], Data: []byte(payload(e[0], e[1], n))}
						if a, ok := tc.attr[n]; ok {
							ev.Attrs = []event.Attr{a}
						}
						b.Events = append(b.Events, ev)
					}
					_ = o.Emit(ctx, b)
					<-ctx.Done()
					return nil
				})
				r := start(t, windowed(source, out, batchSpec(numbers, by)))
				time.Sleep(2 * time.Second)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				got := texts(out.got)
				if !slices.Equal(got, tc.want) {
					t.Errorf("got %q, want %q", got, tc.want)
				}
			})
		})
	}
}

func mustBy(source string) expr.Expression {
	v, err := expr.Compile(source)
	if err != nil {
		panic(err)
	}
	return v
}

// TestWindowsAreBounded in memory and in number: the oldest end.
func TestWindowsAreBounded(t *testing.T) {
	for name, bound := range map[string]func(*Window){
		"bytes": func(w *Window) { w.Bytes = options.Size(3*256 + 21) },
		"keys":  func(w *Window) { w.Keys = 3 },
	} {
		t.Run(name, func(t *testing.T) { boundedWindows(t, bound) })
	}
}

// boundedWindows sends five events to windows that hold at most three.
func boundedWindows(t *testing.T, bound func(*Window)) {
	synctest.Test(t, func(t *testing.T) {
		out := &keeps{}
		s := &script{steps: func(s *scripted) { s.emit(`{"g":1}`, `{"g":2}`, `{"g":3}`, `{"g":4}`, `{"g":5}`) }}
		r := start(t, windowed(s, out, batchSpec(merges, func(w *Window) {
			w.By = mustBy("g")
			bound(w)
		})))
		time.Sleep(500 * time.Millisecond)
		if c := r.Status().Routes[0]; c.Held != 3 || c.Out != 2 || c.WindowsEndedEarly != 2 {
			t.Errorf("%+v", c)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if len(out.got) != 5 {
			t.Errorf("got %q", texts(out.got))
		}
	})
}
