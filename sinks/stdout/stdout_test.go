package stdout

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

func TestConformance(t *testing.T) {
	out := &shared{}
	plugintest.Sink(t, plugintest.SinkHarness{
		Type: typeFor(out),
		Receive: func(t testing.TB, _ plugin.Env) func() string {
			out.Reset() // of what other rules have written
			return func() string {
				line, err := out.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				return strings.TrimSuffix(line, "\n")
			}
		},
	})
}

// shared is a buffer that several instances write to, as they do to standard output.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *shared) ReadString(delim byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.ReadString(delim)
}

func (s *shared) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Reset()
}

func print(t *testing.T, o Options, payload string) (string, error) {
	var out bytes.Buffer
	s, err := typeFor(&out).Build(&o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	s.(*sink).color = true
	e := &event.Event{Channel: "c\x1b[2J", Time: time.Now(), Data: []byte(payload)}
	err = s.Write(t.Context(), []*event.Event{e})
	return out.String(), err
}

func TestFormats(t *testing.T) {
	for _, tc := range []struct {
		o        Options
		in, want string
	}{
		{Options{Format: "json"}, "{\n \"a\": 1.50\n}", "{\"a\":1.50}\n"},
		{Options{Format: "json"}, "text \x1b[2J", `"text \u001b[2J"` + "\n"},
		{Options{Format: "template", Template: expr.MustTemplate("{{ a }} of {{ event.channel }}")}, `{"a":1}`, "1 of c\x1b[2J\n"},
	} {
		if got, err := print(t, tc.o, tc.in); got != tc.want || err != nil {
			t.Errorf("%s prints %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
	got, err := print(t, Options{Format: "pretty"}, `{"operation":"INSERT","a":1}`)
	if err != nil || !strings.Contains(got, "\x1b[32mINSERT\x1b[0m") || strings.Contains(got, "\x1b[2J") {
		t.Errorf("pretty prints %q, %v", got, err)
	}
	_, err = print(t, Options{Format: "template", Template: expr.MustTemplate("{{ a.b.c }}")}, `{}`)
	if each, single := plugin.Outcomes(err, 1); !single || !plugin.IsPermanent(each[0]) {
		t.Errorf("a template that fails: %v", err)
	}
}

// once fails the first time, as a full disk does that is then cleared.
type once struct {
	bytes.Buffer
	failed bool
}

func (o *once) Write(p []byte) (int, error) {
	if !o.failed {
		o.failed = true
		return 0, errors.New("no space left")
	}
	return o.Buffer.Write(p)
}

func TestWriteReturnsTheError(t *testing.T) {
	o, out := Options{Format: "json"}, &once{}
	s, err := typeFor(out).Build(&o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	batch := []*event.Event{{Data: []byte("1")}}
	if err := s.Write(t.Context(), batch); err == nil {
		t.Error("no error")
	}
	if err := s.Write(t.Context(), batch); err != nil || out.String() != "1\n" {
		t.Errorf("the retry: %v, %q", err, out.String())
	}
}
