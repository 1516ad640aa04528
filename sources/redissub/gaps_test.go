package redissub

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

// recorder is an output that records everything in order.
type recorder struct {
	plugintest.Output
	ready chan struct{}
	each  chan string // payloads, "gap ...", and "forwarded ..."
}

func (h *recorder) Ready()            { close(h.ready) }
func (h *recorder) Gap(reason string) { h.each <- "gap " + reason }
func (h *recorder) ForwardGap(g plugin.Gap) {
	h.each <- fmt.Sprintf("forwarded %s: %s", g.Source, g.Reason)
}
func (h *recorder) next(t *testing.T) string {
	t.Helper()
	select {
	case text := <-h.each:
		return text
	case <-time.After(testenv.Wait):
		t.Fatal("nothing comes")
		return ""
	}
}

func (h *recorder) Emit(_ context.Context, b event.Batch) error {
	for _, e := range b.Events {
		h.each <- string(e.Data)
	}
	return nil
}

// run runs a source until the test ends.
func run(t *testing.T, o Options, log *slog.Logger) (*source, *recorder) {
	t.Helper()
	o.Ping, o.Buffer = options.Duration(time.Second), Buffer{Messages: 1000, Bytes: 1 << 20}
	env := plugintest.Env(t)
	if log != nil {
		env.Log = log
	}
	impl, err := build(o, env)
	if err != nil {
		t.Fatal(err)
	}
	h := &recorder{ready: make(chan struct{}), each: make(chan string, 100_000)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := impl.Run(ctx, h); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	select {
	case <-h.ready:
	case <-time.After(testenv.Wait):
		t.Fatal("it is not ready")
	}
	return impl.(*source), h
}

func publish(t *testing.T, channel, payload string) {
	t.Helper()
	if err := testenv.RedisClient(t).Publish(t.Context(), channel, payload).Err(); err != nil {
		t.Fatal(err)
	}
}

// gapText is a gap as it is published.
func gapText(id, prefix string) string {
	return string(redisconn.EncodeGap(plugin.Gap{Source: "db", Reason: "lost " + id, ID: id}, prefix))
}

// TestGapsAreForwardedOnce proves that gaps of the subscribed channels are forwarded once, in order.
func TestGapsAreForwardedOnce(t *testing.T) {
	_, h := run(t, Options{URL: options.NewURL(testenv.Redis(t).URL()), Channels: []string{"once.a"}, Patterns: []string{"once.*", "[x]y*"}}, nil)
	for _, m := range [][2]string{
		{"once.b", "1"},
		{redisconn.GapChannel("once.a"), gapText("A", "")}, // comes by the channel, and by the pattern
		{redisconn.GapChannel("once.a"), gapText("A", "")}, // after a lost reply
		{"once.b", "2"},
		{redisconn.GapChannel("once.b"), gapText("B", "")},
		{"once.b", "3"},
		{redisconn.SharedGapChannel, gapText("C", "on")},
		{"once.b", "4"},
		{redisconn.SharedGapChannel, gapText("D", "once.a.longer")},
		{"once.b", "5"},
		{redisconn.GapChannel("elsewhere"), gapText("E", "")},
		{redisconn.GapChannel("xyz"), gapText("F", "")},
		{"once.b", "6"},
	} {
		publish(t, m[0], m[1])
	}
	for _, want := range []string{
		"1", "forwarded db: lost A", "2", "forwarded db: lost B", "3", "forwarded db: lost C", "4",
		"forwarded db: lost D", "5", "forwarded db: lost F", "6",
	} {
		if got := h.next(t); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// TestConcerns proves which prefixes of channels concern the source.
func TestConcerns(t *testing.T) {
	o := &Options{Channels: []string{"orders.7"}, Patterns: []string{"stock.*", `a\*b`}}
	for prefix, want := range map[string]bool{
		"": true, "o": true, "orders.": true, "orders.7": true, "orders.77": false, "stock.": true, "stock.x.y": true, "st": true,
		"users.": false, "a*": true, "a": true,
	} {
		if got := o.concerns(prefix); got != want {
			t.Errorf("%q: %v", prefix, got)
		}
	}
}

// TestWithoutTheRightToSubscribeToGaps proves that the source warns once, and still gets events.
func TestWithoutTheRightToSubscribeToGaps(t *testing.T) {
	rules := []any{"ACL", "SETUSER", "deaf", "on", ">pw", "+@all", "~*", "resetchannels", "&deaf.a", "&deaf.*"}
	if err := testenv.RedisClient(t).Do(t.Context(), rules...).Err(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	u := options.NewURL(strings.Replace(testenv.Redis(t).URL(), "redis://", "redis://deaf:pw@", 1))
	s, h := run(t, Options{URL: u, Channels: []string{"deaf.a"}, Patterns: []string{"deaf.*"}}, slog.New(slog.NewTextHandler(&log, nil)))
	publish(t, redisconn.GapChannel("deaf.a"), gapText("X", ""))
	publish(t, "deaf.b", "1")
	publish(t, "deaf.b", "2")
	for _, want := range []string{"1", "2"} {
		if got := h.next(t); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if n := strings.Count(log.String(), "gap subscription denied"); n != 1 {
		t.Errorf("%d warnings: %s", n, log.String())
	}
	found := false
	for _, f := range s.Probe(t.Context()) {
		if f.Level == plugin.Problem {
			t.Errorf("%+v", f)
		}
		found = found || f.Level == plugin.Warning && strings.Contains(f.Text, "cannot subscribe to gaps") &&
			strings.Contains(f.Fix, "&eventgateway:gaps &eventgateway:gaps:deaf.a &eventgateway:gaps:deaf.*")
	}
	if !found {
		t.Errorf("%+v", s.Probe(t.Context()))
	}
}

// TestAFloodOfGaps proves that thousands of gaps are merged into a few. The last of them is
// forwarded, also where no message follows.
func TestAFloodOfGaps(t *testing.T) {
	_, h := run(t, Options{URL: options.NewURL(testenv.Redis(t).URL()), Channels: []string{"flood"}}, nil)
	pipe := testenv.RedisClient(t).Pipeline()
	const n = 5000
	for i := range n {
		pipe.Publish(t.Context(), redisconn.GapChannel("flood"), gapText(fmt.Sprint(i), ""))
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	forwarded := 0
	for got := ""; !strings.HasSuffix(got, "gaps more)"); forwarded++ {
		got = h.next(t)
	}
	if forwarded > n/10 {
		t.Errorf("%d gaps of %d were forwarded", forwarded, n)
	}
	y := newGapForwarder(&Options{Channels: []string{"flood"}})
	for i := range n {
		y.receive(gapText(fmt.Sprint(i), ""), newMessageBuffer(Buffer{Messages: 1, Bytes: 1}))
	}
	if y.reset(); len(y.known) > maxKnownIDs || len(y.knownOrder) > maxKnownIDs {
		t.Errorf("%d gaps are known", len(y.known))
	}
}

// TestBufferKeepsGapsInOrder proves that gaps keep their order, also where the events around them are
// dropped.
func TestBufferKeepsGapsInOrder(t *testing.T) {
	h := newMessageBuffer(Buffer{Messages: 3, Bytes: 1 << 20})
	put := func(names ...string) {
		for _, name := range names {
			if strings.HasPrefix(name, "gap") {
				h.gap(plugin.Gap{Reason: name})
			} else {
				h.put(&event.Event{Data: []byte(name)})
			}
		}
	}
	all := func() string {
		var got []string
		h.fail(errNoPong)
		for {
			batch, before, err := h.next(t.Context(), nil)
			if before.dropped > 0 {
				got = append(got, fmt.Sprint("lost ", before.dropped))
			}
			if before.forwarded != nil {
				got = append(got, before.forwarded.Reason)
			}
			for _, e := range batch {
				got = append(got, string(e.Data))
			}
			if err != nil {
				return strings.Join(got, ", ")
			}
		}
	}
	put("gap a", "gap b", "1", "gap c", "2", "gap d", "gap e")
	if got, want := all(), "gap a, 1, gap c, 2, gap d"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	put("1", "gap a", "2", "gap b", "3", "4", "5", "gap c")
	if got, want := all(), "lost 2, gap b, 3, 4, 5, gap c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
