package generate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	plugintest.Source(t, plugintest.SourceHarness{
		Type:      Type(),
		Reachable: func(o any) { o.(*Options).Rate = 1000 },
	})
}

// collect is an Output that keeps what it gets, and settles as verdict says.
type collect struct {
	plugintest.Output
	verdict func(*event.Event) error

	mu     sync.Mutex
	events []*event.Event
	acks   []func(error) // settle batches, where verdict is nil
}

func (c *collect) Emit(_ context.Context, b event.Batch) error {
	c.mu.Lock()
	c.events = append(c.events, b.Events...)
	c.mu.Unlock()
	if c.verdict == nil {
		c.acks = append(c.acks, b.Ack.Settle)
	} else {
		b.Ack.Settle(c.verdict(b.Events[0]))
	}
	return nil
}

func (c *collect) numbers() (out []string) {
	for _, e := range c.events {
		out = append(out, e.ID)
	}
	return out
}

func newSource(t *testing.T, set func(*Options)) *source {
	o := Type().Defaults().(*Options)
	set(o)
	s, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*source)
}

func ack(*event.Event) error { return nil }

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, out := newSource(t, func(o *Options) { o.Rate, o.Count = 250, 1000 }), &collect{verdict: ack}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begin := time.Now()
		if err := s.Run(ctx, out); err != nil {
			t.Fatal(err)
		}
		if len(out.events) != 1000 {
			t.Fatalf("%d events", len(out.events))
		}
		for n, e := range out.events {
			due := begin.Add(time.Duration(n) * time.Second / 250)
			if late := e.Time.Sub(due); late < -time.Millisecond || late > 5*time.Millisecond {
				t.Fatalf("event %d comes %v late", n, late)
			}
		}
	})
}

func TestPayloads(t *testing.T) {
	template := expr.MustTemplate(`{"order":{"id":{{ number }},"amount":{{ number % 3 }}.50}}`)
	for name, tc := range map[string]struct {
		set  func(*Options)
		want string
	}{
		"short":    {func(*Options) {}, `{"number":1}`},
		"padded":   {func(o *Options) { o.Size = 40 }, `{"number":1,"padding":"xxxxxxxxxxxxxxx"}`},
		"template": {func(o *Options) { o.Template = template }, `{"order":{"id":1,"amount":1.50}}`},
	} {
		batch, err := newSource(t, tc.set).make(0, 2)
		if err != nil || string(batch[1].Data) != tc.want {
			t.Errorf("%s: %s, %v", name, batch[1].Data, err)
		}
		if tc.set(&Options{}); name == "padded" && len(batch[1].Data) != 40 {
			t.Errorf("%d bytes", len(batch[1].Data))
		}
	}
}

// TestAcksInAnyOrder proves that the position moves only over acked events without a gap, and that in_flight
// counts what is not acked.
func TestAcksInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, out := newSource(t, func(o *Options) { o.Rate, o.InFlight = 0, 2000 }), &collect{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx, out) }()
		synctest.Wait()
		if len(out.events) != 2000 || len(out.acks) != 4 {
			t.Fatalf("%d events in %d batches", len(out.events), len(out.acks))
		}
		out.acks[2](nil)
		out.acks[1](nil)
		synctest.Wait()
		if at := s.tracker.Acked(); at != 0 || len(out.events) != 3024 {
			t.Errorf("position %d, %d events", at, len(out.events))
		}
		out.acks[0](nil)
		synctest.Wait()
		if at := s.tracker.Acked(); at != 1536 || len(out.events) != 3536 {
			t.Errorf("position %d, %d events", at, len(out.events))
		}
		late := out.acks[3]
		out.acks[4](errors.New("lost"))
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "lost") {
			t.Errorf("after a nack: %v", err)
		}
		go func() { ended <- s.Run(ctx, out) }()
		synctest.Wait()
		if got := out.events[3536].ID; got != "conformance-1536" {
			t.Errorf("it goes on with %s", got)
		}
		late(nil) // of the run before: its events are on their way again
		if at := s.tracker.Acked(); at != 1536 {
			t.Errorf("position %d", at)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestPositionSurvivesTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "position")
	run := func(count int) *collect {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s, out := newSource(t, func(o *Options) { o.Rate, o.Count, o.Position = 0, count, file }), &collect{}
		out.verdict = func(*event.Event) error {
			if out.events[len(out.events)-1].ID == fmt.Sprint("conformance-", count-1) {
				cancel()
			}
			return nil
		}
		if err := s.Run(ctx, out); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := run(1000).numbers(); len(got) != 1000 {
		t.Errorf("%d events", len(got))
	}
	if got := run(1002).numbers(); fmt.Sprint(got) != "[conformance-1000 conformance-1001]" {
		t.Errorf("after a restart: %v", got)
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSource(t, func(o *Options) { o.Position = file })
	if err := s.Run(t.Context(), &collect{verdict: ack}); err == nil || !strings.Contains(err.Error(), "position") {
		t.Errorf("a broken file: %v", err)
	}
}
