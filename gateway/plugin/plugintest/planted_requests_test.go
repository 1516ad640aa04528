package plugintest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/plugin"
)

// requests is a source of HTTP requests. It answers a request after its event is settled.
type requests struct {
	env plugin.Env
	in  chan request
}

type request struct {
	body   string
	flight *inflight.PositionTracker[int] // of the one batch
}

func (s *requests) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	one := request{string(body), inflight.NewPositionTracker(0)}
	select {
	case s.in <- one:
	case <-r.Context().Done():
		return
	}
	select {
	case <-one.flight.Changed:
		if _, err := one.flight.State(); err != nil {
			w.WriteHeader(503)
		}
	case <-r.Context().Done():
	}
}

func (s *requests) Run(ctx context.Context, out plugin.Output) error {
	out.Ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-s.in:
			b := event.Batch{Events: []*event.Event{{Time: s.env.Now(), Data: []byte(r.body)}}, Ack: r.flight.Add(1, 1)}
			_ = out.Emit(ctx, b) // the Ack gets the same error
		}
	}
}

func requestType() plugin.SourceType {
	return plugin.NewSource("requests", "Takes requests.", func() struct{} { return struct{}{} }, func(_ struct{}, env plugin.Env) (plugin.Source, error) {
		s := &requests{env, make(chan request)}
		return s, env.HTTP.Handle("POST /", s)
	})
}

func faultlessRequestSource(t testing.TB) []rule {
	var url string
	return sourceRules(SourceHarness{
		Type: requestType(),
		Serve: func(t testing.TB, env plugin.Env) {
			server := httptest.NewServer(env.HTTP.(*Mounter).Pages)
			t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
			url = server.URL
		},
		Send: func(t testing.TB, payloads ...string) {
			for _, p := range payloads {
				res, err := http.Post(url, "text/plain", strings.NewReader(p))
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("status %s", res.Status)
				}
			}
		},
	})
}
