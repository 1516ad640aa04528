package plugintest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// postOptions are the options of a sink without faults.
type postOptions struct {
	URL   options.URL    `koanf:"url" rule:"required,scheme=http|https" doc:"where events go"`
	Token options.Secret `koanf:"token" doc:"sent with each request"`
	Tries int            `koanf:"tries" rule:"min=1,max=9" doc:"is not used"`
}

// post is a sink without faults that posts each event.
type post struct {
	o       postOptions
	env     plugin.Env
	client  *http.Client
	written prometheus.Counter
}

func newPost(o postOptions, env plugin.Env) (*post, error) {
	s := &post{o: o, env: env, client: &http.Client{Transport: &http.Transport{}}}
	s.written = prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_post_written_total", Help: "Events posted."})
	return s, env.Metrics.Register(s.written)
}

// request sends one request.
func (s *post) request(ctx context.Context, method string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, s.o.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the URL %s is invalid", s.o.URL)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return plugin.Unavailable(fmt.Errorf("%s %s: no answer", method, s.o.URL))
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	switch {
	case res.StatusCode == 503:
		return fmt.Errorf("status %s", res.Status)
	case res.StatusCode >= 400:
		return plugin.Permanent(fmt.Errorf("status %s", res.Status))
	}
	return nil
}

func (s *post) Open(ctx context.Context) error { return s.request(ctx, "HEAD", nil) }
func (s *post) Ping(ctx context.Context) error { return s.request(ctx, "HEAD", nil) }

func (s *post) Write(ctx context.Context, events []*event.Event) error {
	failed := map[int]error{}
	for i, e := range events {
		if err := s.request(ctx, "POST", e.Data); err != nil {
			failed[i] = err
			if plugin.IsUnavailable(err) {
				return plugin.Delivered(i, err)
			}
			continue
		}
		s.written.Inc()
	}
	return plugin.Failed(failed)
}

func (s *post) Gap(context.Context, plugin.Gap) error { return nil }

func (s *post) Close(context.Context) error {
	s.client.CloseIdleConnections()
	return nil
}

func (s *post) Probe(ctx context.Context) []plugin.Finding {
	if err := s.Ping(ctx); err != nil {
		return []plugin.Finding{{Level: plugin.Problem, Text: err.Error()}}
	}
	return []plugin.Finding{{Text: "it answers"}}
}

// sinkHooks replace methods of post; nil replaces none.
type sinkHooks struct {
	build             func(postOptions, plugin.Env) (*post, error)
	instance          func(*post) plugin.Sink
	open, ping, close func(*post, context.Context) error
	write             func(*post, context.Context, []*event.Event) error
	gap               func(*post, context.Context, plugin.Gap) error
	probe             func(*post, context.Context) []plugin.Finding
}

// faultySink is post with one fault.
type faultySink struct {
	*post
	h sinkHooks
}

func (s *faultySink) Open(ctx context.Context) error {
	if s.h.open != nil {
		return s.h.open(s.post, ctx)
	}
	return s.post.Open(ctx)
}

func (s *faultySink) Ping(ctx context.Context) error {
	if s.h.ping != nil {
		return s.h.ping(s.post, ctx)
	}
	return s.post.Ping(ctx)
}

func (s *faultySink) Close(ctx context.Context) error {
	if s.h.close != nil {
		return s.h.close(s.post, ctx)
	}
	return s.post.Close(ctx)
}

func (s *faultySink) Write(ctx context.Context, events []*event.Event) error {
	if s.h.write != nil {
		return s.h.write(s.post, ctx, events)
	}
	return s.post.Write(ctx, events)
}

func (s *faultySink) Gap(ctx context.Context, g plugin.Gap) error {
	if s.h.gap != nil {
		return s.h.gap(s.post, ctx, g)
	}
	return s.post.Gap(ctx, g)
}

func (s *faultySink) Probe(ctx context.Context) []plugin.Finding {
	if s.h.probe != nil {
		return s.h.probe(s.post, ctx)
	}
	return s.post.Probe(ctx)
}

func postDefaults() postOptions { return postOptions{Tries: 3} }

func sinkType(h sinkHooks) plugin.SinkType {
	return plugin.NewSink("post", "Posts events.", postDefaults, func(o postOptions, env plugin.Env) (plugin.Sink, error) {
		make := h.build
		if make == nil {
			make = newPost
		}
		s, err := make(o, env)
		if err != nil {
			return nil, err
		}
		if h.instance != nil {
			return h.instance(s), nil
		}
		return &faultySink{s, h}, nil
	}).With(plugin.Concurrent, plugin.Durable).WithMaxBatch(10)
}

// receiver records the bodies of POST requests.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []string
	more   chan struct{}
}

func newReceiver(t testing.TB, status int) *receiver {
	r := &receiver{status: status, more: make(chan struct{}, 1)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if req.Method == "POST" {
			w.WriteHeader(r.status)
			r.mu.Lock()
			r.got = append(r.got, string(body))
			r.mu.Unlock()
			select {
			case r.more <- struct{}{}:
			default:
			}
		}
		if req.Method == "POST" {
			_, _ = io.WriteString(w, "because")
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// next returns a function that returns the payloads that arrive from now on, one after the other.
func (r *receiver) next(t testing.TB) func() string {
	r.mu.Lock()
	n := len(r.got)
	r.mu.Unlock()
	return func() string {
		for {
			r.mu.Lock()
			if len(r.got) > n {
				defer r.mu.Unlock()
				n++
				return r.got[n-1]
			}
			r.mu.Unlock()
			select {
			case <-r.more:
			case <-t.Context().Done():
				return ""
			}
		}
	}
}

// sinkHarness returns the harness of a type whose options are postOptions.
func sinkHarness(t testing.TB, typ plugin.SinkType) SinkHarness {
	accepting, rejecting, busy := newReceiver(t, 200), newReceiver(t, 400), newReceiver(t, 503)
	setURL := func(url string) func(any) {
		return func(o any) {
			if p, ok := o.(*postOptions); ok {
				p.URL = options.NewURL(url)
			}
		}
	}
	return SinkHarness{
		Type: typ, Reachable: setURL(accepting.URL), Unreachable: setURL("http://127.0.0.1:1"), Rejecting: setURL(rejecting.URL), Busy: setURL(busy.URL),
		Receive:        func(t testing.TB, _ plugin.Env) func() string { return accepting.next(t) },
		InvalidOptions: map[string]string{`tries: 10`: "options:1:8: tries: must be at most 9"},
	}
}

func faultlessSink(t testing.TB) []rule { return sinkRules(sinkHarness(t, sinkType(sinkHooks{}))) }

// sinkFault returns a sink with one fault, which a rule has to find.
func sinkFault(name, broken string, h sinkHooks) planted {
	return planted{name: "sink: " + name, rule: broken, rules: func(t testing.TB) []rule { return sinkRules(sinkHarness(t, sinkType(h))) }}
}
