package plugintest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

// requests is a source of HTTP requests. It answers a request after its event is settled.
type requests struct {
	env    plugin.Env
	h      requestHooks
	out    atomic.Pointer[plugin.Output] // of the Run under way; nil: there is none
	locked sync.Mutex
}

// requestHooks replace a part of the source; nil replaces none.
type requestHooks struct {
	emit func(s *requests, out plugin.Output, b event.Batch) error
	wait func(s *requests, ctx context.Context, v *inflight.Verdict) error
	run  func(s *requests)
	typ  func(plugin.SourceType) plugin.SourceType
}

func (s *requests) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if err := s.take(r.Context(), body); plugin.IsPermanent(err) {
		w.WriteHeader(422)
	} else if err != nil {
		w.WriteHeader(503)
	}
}

func (s *requests) take(ctx context.Context, body []byte) error {
	out := s.out.Load()
	if out == nil {
		return plugin.ErrNotRunning
	}
	v := inflight.NewVerdict()
	b := event.Batch{Events: []*event.Event{{Time: s.env.Now(), Data: body}}, Ack: v.Ack()}
	err := error(nil)
	if s.h.emit != nil {
		err = s.h.emit(s, *out, b)
	} else {
		err = (*out).TryEmit(b)
	}
	if err != nil {
		return err
	}
	if s.h.wait != nil {
		return s.h.wait(s, ctx, v)
	}
	return v.Wait(ctx)
}

func (s *requests) Run(ctx context.Context, out plugin.Output) error {
	s.out.Store(&out)
	if s.h.run == nil {
		defer s.out.Store(nil)
	}
	out.Ready()
	<-ctx.Done()
	return nil
}

func requestType(h requestHooks) plugin.SourceType {
	typ := plugin.NewSource("requests", "Takes requests.", func() struct{} { return struct{}{} }, func(_ struct{}, env plugin.Env) (plugin.Source, error) {
		s := &requests{env: env, h: h}
		return s, env.HTTP.Handle("POST /", s)
	}).With(plugin.AnswersSenders)
	if h.typ != nil {
		typ = h.typ(typ)
	}
	return typ
}

func faultlessRequestSource(t testing.TB) []rule { return sourceRules(requestHarness(requestHooks{})) }

func requestHarness(h requestHooks) SourceHarness {
	var url atomic.Value
	url.Store("")
	return SourceHarness{
		Type: requestType(h),
		Serve: func(t testing.TB, env plugin.Env) {
			server := httptest.NewServer(env.HTTP.(*Mounter).Pages)
			t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
			url.Store(server.URL)
		},
		Request: func(t testing.TB, payload string) bool {
			res, err := http.Post(url.Load().(string), "text/plain", strings.NewReader(payload))
			if err != nil {
				return false
			}
			res.Body.Close()
			return res.StatusCode == 200
		},
	}
}

// requestFaults returns faults of sources that answer their senders.
func requestFaults() []planted {
	fault := func(name, broken string, h requestHooks) planted {
		return planted{name: "source of requests: " + name, rule: broken, rules: func(testing.TB) []rule { return sourceRules(requestHarness(h)) }}
	}
	ignore := func(*requests, context.Context, *inflight.Verdict) error { return nil }
	return []planted{
		fault("it calls Emit", ruleTryEmit, requestHooks{emit: func(_ *requests, out plugin.Output, b event.Batch) error {
			return out.Emit(context.Background(), b)
		}}),
		fault("its batches have no Ack", ruleTryEmit, requestHooks{emit: func(_ *requests, out plugin.Output, b event.Batch) error {
			b.Ack = nil
			return out.TryEmit(b)
		}, wait: ignore}),
		fault("its type has no capability", ruleTryEmit, requestHooks{typ: func(plugin.SourceType) plugin.SourceType {
			return plugin.NewSource("requests", "Takes requests.", func() struct{} { return struct{}{} }, func(_ struct{}, env plugin.Env) (plugin.Source, error) {
				s := &requests{env: env}
				return s, env.HTTP.Handle("POST /", s)
			})
		}}),
		fault("it answers before the ack", ruleAnswers, requestHooks{wait: ignore}),
		fault("it takes a nack for an ack", ruleAnswers, requestHooks{wait: func(_ *requests, ctx context.Context, v *inflight.Verdict) error {
			_ = v.Wait(ctx)
			return nil
		}}),
		fault("it ignores that there is no room", ruleAnswers, requestHooks{emit: func(_ *requests, out plugin.Output, b event.Batch) error {
			if out.TryEmit(b) != nil {
				b.Ack.Settle(nil)
			}
			return nil
		}}),
		fault("it tries until there is room", ruleAnswers, requestHooks{emit: func(_ *requests, out plugin.Output, b event.Batch) error {
			for out.TryEmit(b) != nil {
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}}),
		fault("one request after the other", ruleAnswers, requestHooks{emit: func(s *requests, out plugin.Output, b event.Batch) error {
			s.locked.Lock()
			return out.TryEmit(b)
		}, wait: func(s *requests, ctx context.Context, v *inflight.Verdict) error {
			defer s.locked.Unlock()
			return v.Wait(ctx)
		}}),
	}
}
