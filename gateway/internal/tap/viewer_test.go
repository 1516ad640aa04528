package tap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

func newHub() *Hub {
	h := NewHub()
	h.Keep(map[string]bool{"source a": true, "route a": true, "sink b": true})
	for _, name := range []string{"source a", "route a", "sink b", "sink of a refused plan"} {
		h.Point(name)
	}
	return h
}

func watch(t *testing.T, h *Hub, at string, o Options) *Viewer {
	t.Helper()
	if o.Limit == 0 {
		o.Limit = MaxLimit
	}
	v, err := h.Watch(at, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func payload(text string) *event.Event { return &event.Event{Data: []byte(text)} }

// next returns the next item without waiting for later ones.
func next(v *Viewer) *Item {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return v.Next(ctx)
}

// TestHubFindsComponents proves which places can be looked at, how they are named, and that the number of viewers is bounded.
func TestHubFindsComponents(t *testing.T) {
	h := newHub()
	for at, want := range map[string]string{"route.a": "route.a", "route a": "route.a", "b": "sink.b", "dead_letters": "dead_letters"} {
		v := watch(t, h, at, Options{})
		if got := v.Place(); got != want {
			t.Errorf("%s is %s, want %s", at, got, want)
		}
		v.Close()
	}
	for _, at := range []string{"a", "", "sink.of a refused plan", "sink.c"} { // a is the name of two components
		_, err := h.Watch(at, Options{Limit: 1})
		var unknown *UnknownError
		if !errors.As(err, &unknown) || fmt.Sprint(unknown.Names) != "[dead_letters route.a sink.b source.a]" {
			t.Errorf("%q: %v", at, err)
		}
	}
	for range MaxViewers {
		defer watch(t, h, "route.a", Options{}).Close()
	}
	if _, err := h.Watch("sink.b", Options{Limit: 1}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one viewer too many: %v", err)
	}
}

// TestViewersEnd proves that a reload ends the viewers of components that it removes, and no others, and that a stop ends all.
func TestViewersEnd(t *testing.T) {
	h := newHub()
	a, b := watch(t, h, "route.a", Options{}), watch(t, h, "sink.b", Options{})
	defer a.Close()
	defer b.Close()
	h.Keep(map[string]bool{"sink b": true})
	if item := a.Next(t.Context()); item != nil || a.Ended() != "the configuration has no route a any more" || b.Ended() != "" {
		t.Errorf("%v, %q, %q", item, a.Ended(), b.Ended())
	}
	if !h.Point("sink b").Watched() || h.Point("route a").Watched() {
		t.Error("the wrong point is watched")
	}
	h.Point("sink b").Show(nil, payload("1"), Delivered, "", 0)
	h.Close("the gateway stops")
	if item := b.Next(t.Context()); item == nil || item.Outcome != Delivered {
		t.Errorf("what passed before the end is lost: %+v", item)
	}
	if item := b.Next(t.Context()); item != nil || b.Ended() != "the gateway stops" {
		t.Errorf("%v, %q", item, b.Ended())
	}
	if _, err := h.Watch("sink.b", Options{Limit: 1}); err == nil || err.Error() != "the gateway stops" {
		t.Errorf("a viewer after the stop: %v", err)
	}
}

// TestSlowViewerIsSkipped proves that a point never waits for a viewer that does not read, and that each event is counted.
func TestSlowViewerIsSkipped(t *testing.T) {
	h := newHub()
	p := h.Point("sink b")
	filter, err := expr.CompileFilter("n >= 0")
	if err != nil {
		t.Fatal(err)
	}
	v := watch(t, h, "sink.b", Options{Filter: filter})
	defer v.Close()
	const n = 10 * maxWaiting
	for i := range n {
		p.Show(nil, payload(fmt.Sprintf(`{"n":%d}`, i)), Delivered, "", 0)
	}
	if c := v.Counts(); c.Seen != n || c.Skipped != n-maxWaiting {
		t.Errorf("%+v of %d events", c, n)
	}
	shown, skipped := 0, uint64(0)
	for range maxWaiting {
		if item := next(v); item != nil {
			shown++
			skipped += item.Skipped
		}
	}
	if c := v.Counts(); c.Seen != uint64(shown)+c.Skipped || shown == 0 || skipped == 0 || c.Filtered != 0 {
		t.Errorf("%+v, %d shown, %d skipped before them", c, shown, skipped)
	}
	large := payload(strings.Repeat("x", maxPinned/2))
	for range 4 {
		p.Show(nil, large, Delivered, "", 0)
	}
	if got := len(v.records); got != 2 {
		t.Errorf("%d large events wait, want 2", got)
	}
}

// TestPace proves that no second has more events than the limit.
func TestPace(t *testing.T) {
	for limit := 1; limit <= MaxLimit; limit++ {
		p := newPace(limit)
		passed := 0
		for range 1000 {
			if p.allow() {
				passed++
			}
		}
		if atOnce := max(1, limit/4); passed < atOnce || time.Since(p.start) < time.Duration(p.interval) && passed > atOnce {
			t.Errorf("limit %d: %d pass at once", limit, passed)
		}
		if burst := p.slack/p.interval + 1; float64(burst)+float64(time.Second)/float64(p.interval) > max(float64(limit), 1.5)+0.001 {
			t.Errorf("limit %d: %d at once, then one each %v", limit, burst, time.Duration(p.interval))
		}
	}
}

// TestFilterSeesWhatIsShown proves that a filter selects events, that one which cannot be evaluated does not match, and that it
// does not tell what is hidden.
func TestFilterSeesWhatIsShown(t *testing.T) {
	h := newHub()
	p := h.Point("sink b")
	policy := Policies([]Stage{{Hider: hides("email"), Keeps: true}})[0]
	hide := func() *Policy { return policy }
	for source, want := range map[string]int{
		`email == "ada@example.com"`: 0, `email == "***"`: 1, `id == 2`: 1, `id > 0`: 2, `email contains "ada"`: 0,
	} {
		filter, err := expr.CompileFilter(source)
		if err != nil {
			t.Fatal(err)
		}
		v := watch(t, h, "sink.b", Options{Filter: filter})
		for _, text := range []string{`{"id":1,"email":"ada@example.com"}`, `{"id":2}`, `"ada@example.com"`, `{`} {
			p.Show(hide, payload(text), Delivered, "", 0)
		}
		got := 0
		for range 4 {
			if item := next(v); item != nil {
				got++
			}
		}
		if c := v.Counts(); got != want || c.Filtered != uint64(4-want) {
			t.Errorf("%s: %d events, %+v, want %d", source, got, c, want)
		}
		v.Close()
	}
}

// TestNoViewerCostsNothing proves that a point without viewers allocates nothing.
func TestNoViewerCostsNothing(t *testing.T) {
	p, e := newHub().Point("sink b"), payload("{}")
	hide := func() *Policy { return nil }
	if n := testing.AllocsPerRun(1000, func() {
		if p.Watched() {
			t.Error("watched")
		}
		p.Show(hide, e, Delivered, "", 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
