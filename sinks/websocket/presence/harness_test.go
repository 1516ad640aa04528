package presence

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// newRegistry returns a registry for channels that begin with room:, with subjects.
func newRegistry(t testing.TB, set func(*Options)) *Registry {
	t.Helper()
	o := Defaults()
	o.Channels, o.Subjects = []string{"room:*", "lobby"}, true
	if set != nil {
		set(&o)
	}
	r, err := New(o, Config{
		Encode: func(text []byte) []byte { return append(text, '\n') },
		Env: plugin.Env{
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: prometheus.NewRegistry(),
			Go: func(f func(context.Context)) { go f(context.Background()) },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tester is a client of a registry.
type tester struct {
	*Member
	t     testing.TB
	woken chan struct{}
	texts []string // received and not yet read
}

func newTester(t testing.TB, r *Registry, subject string) *tester {
	c := &tester{t: t, woken: make(chan struct{}, 1)}
	c.Member = r.NewMember(func() {
		select {
		case c.woken <- struct{}{}:
		default:
		}
	})
	c.SetSubject(subject)
	return c
}

// on sets the channels of the client, and watches none of them.
func (c *tester) on(channels ...string) *tester {
	set := map[string]bool{}
	for _, name := range channels {
		set[name] = false
	}
	c.Set(set)
	return c
}

// watch makes the client watch a channel, and returns the first message about it.
func (c *tester) watch(channel string) message {
	c.t.Helper()
	c.Set(map[string]bool{channel: true})
	return c.ask(channel)
}

// ask asks for the state of a channel, and returns the answer.
func (c *tester) ask(channel string) message {
	c.t.Helper()
	if err := c.Ask(channel); err != nil {
		c.t.Fatal(err)
	}
	for {
		if m := c.next(); m.Channel == channel && (m.Subjects != nil || m.Many || !c.registry.opts.Subjects) {
			return m
		}
	}
}

// next returns the next message.
func (c *tester) next() (m message) {
	c.t.Helper()
	for end := time.After(testenv.Wait); len(c.texts) == 0; {
		select {
		case <-c.woken:
			c.texts = slices.Collect(strings.Lines(string(c.AppendMessages(nil, 1<<20))))
		case <-end:
			c.t.Fatal("no message")
		}
	}
	if err := json.Unmarshal([]byte(c.texts[0]), &m); err != nil {
		c.t.Fatalf("%s: %v", c.texts[0], err)
	}
	c.texts = c.texts[1:]
	return m
}

// nothing checks that there is no message.
func (c *tester) nothing() {
	c.t.Helper()
	if text := string(c.AppendMessages(nil, 1<<20)); text != "" || len(c.texts) > 0 {
		c.t.Errorf("got %q %s", c.texts, text)
	}
}

func (m message) want(t testing.TB, clients int, subjects, joined, left string) {
	t.Helper()
	got := ""
	if m.Subjects != nil {
		got = strings.Join(*m.Subjects, " ")
	}
	if m.Clients != clients || got != subjects || strings.Join(m.Joined, " ") != joined || strings.Join(m.Left, " ") != left {
		t.Errorf("%d clients, subjects %q, joined %q, left %q; want %d, %q, %q, %q", m.Clients, got, m.Joined, m.Left, clients, subjects, joined, left)
	}
}

// empty checks that the registry has no channel, no memory and no departure.
func (r *Registry) empty(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.channels)+len(r.byID)+r.bytes+r.departures.len()+len(r.departures.list) != 0 {
		t.Errorf("%d channels, %d by id, %d bytes, %d departures are left", len(r.channels), len(r.byID), r.bytes, r.departures.len())
	}
}

// applyTo does what the documentation tells clients to do.
func (m message) applyTo(here map[string]bool) {
	if m.Subjects != nil {
		clear(here)
		m.Joined = *m.Subjects
	}
	for _, s := range m.Joined {
		here[s] = true
	}
	for _, s := range m.Left {
		delete(here, s)
	}
}
