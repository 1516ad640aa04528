package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// nilError is an error type for typed nils.
type nilError struct{}

func (*nilError) Error() string { return "planted" }

type emptyError struct{}

func (emptyError) Error() string { return "" }

// sinkFailureFaults returns faults in the errors of a sink, and in Open, Ping and Probe.
func sinkFailureFaults() []planted {
	hang := make(chan struct{})
	failing := func(wrap func(error) error) func(*post, context.Context, []*event.Event) error {
		return func(s *post, ctx context.Context, e []*event.Event) error {
			if err := s.Write(ctx, e); err != nil {
				return wrap(errors.New(err.Error()))
			}
			return nil
		}
	}
	noOpen := func(*post, context.Context) error { return nil }
	return []planted{
		sinkFault("Write returns nil while the server is unavailable", ruleUnavailable, sinkHooks{open: noOpen, write: failing(func(error) error { return nil })}),
		sinkFault("Write returns Permanent while the server is unavailable", ruleUnavailable, sinkHooks{open: noOpen, write: failing(plugin.Permanent)}),
		sinkFault("Open returns Permanent while the server is unavailable", ruleUnavailable, sinkHooks{open: func(s *post, ctx context.Context) error { return plugin.Permanent(s.Open(ctx)) }}),
		sinkFault("Open returns Disabling while the server is unavailable", ruleUnavailable, sinkHooks{open: func(s *post, ctx context.Context) error { return plugin.Disabling(s.Open(ctx)) }}),
		sinkFault("Write returns Permanent after its context has ended", ruleCancelled, sinkHooks{write: failing(plugin.Permanent)}),
		sinkFault("Write returns Permanent without an answer", ruleNoAnswer, sinkHooks{write: failing(plugin.Permanent)}),
		sinkFault("Write returns nil without an answer", ruleNoAnswer, sinkHooks{open: noOpen, write: failing(func(error) error { return nil })}),
		sinkFault("a refused event is retried", ruleRejected, sinkHooks{write: failing(func(err error) error { return errors.New(err.Error()) })}),
		sinkFault("a refused event is reported as delivered", ruleRejected, sinkHooks{write: failing(func(error) error { return nil })}),
		sinkFault("a busy receiver is Permanent", ruleBusy, sinkHooks{write: failing(plugin.Permanent)}),
		sinkFault("a busy receiver disables the sink", ruleBusy, sinkHooks{write: failing(plugin.Disabling)}),
		sinkFault("an event is reported as delivered to a busy receiver", ruleBusy, sinkHooks{write: failing(func(error) error { return nil })}),
		onWrite("Write returns a typed nil", ruleErrors, func(s *post, ctx context.Context, e []*event.Event) error {
			_ = s.Write(ctx, e)
			var err *nilError
			return err
		}),
		sinkFault("Open returns a typed nil", ruleErrors, sinkHooks{open: func(*post, context.Context) error { var err *nilError; return err }}),
		onWrite("an error has no text", ruleErrors, func(*post, context.Context, []*event.Event) error { return emptyError{} }),
		onWrite("Failed has an invalid index", ruleErrors, failing(func(err error) error { return plugin.Failed(map[int]error{99: err}) })),
		onWrite("Delivered has a count that is too high", ruleErrors, failing(func(err error) error { return plugin.Delivered(99, err) })),
		onWrite("RetryAfter is negative", ruleErrors, failing(func(err error) error { return plugin.RetryAfter(err, -time.Second) })),
		onWrite("Write logs its error, too", ruleLogged, func(s *post, ctx context.Context, e []*event.Event) error {
			err := s.Write(ctx, e)
			if err != nil {
				s.env.Log.Error("write failed", "error", err)
			}
			return err
		}),
		sinkFault("Open logs its error, too", ruleLogged, sinkHooks{open: func(s *post, ctx context.Context) error {
			err := s.Open(ctx)
			if err != nil {
				s.env.Log.Warn(err.Error())
			}
			return err
		}}),
		onWrite("the body of a response is not closed", ruleConnections, func(s *post, ctx context.Context, e []*event.Event) error {
			for _, e := range e {
				req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), "POST", s.o.URL.Reveal(), strings.NewReader(string(e.Data)))
				if err != nil {
					return err
				}
				if _, err = s.client.Do(req); err != nil {
					return plugin.Unavailable(errors.New("no answer"))
				}
			}
			return ctx.Err()
		}),
		sinkFault("Write uses the context of Open", ruleOpen, sinkHooks{
			instance: func(s *post) plugin.Sink { return &retainsContext{post: s} },
		}),
		sinkFault("Open fails the second time", ruleOpen, sinkHooks{instance: func(s *post) plugin.Sink { return &opensOnce{post: s} }}),
		sinkFault("Open panics the second time", rulePanics, sinkHooks{instance: func(s *post) plugin.Sink { return &opensOnce{post: s, panics: true} }}),
		sinkFault("Open ignores its context", ruleContext, sinkHooks{open: func(s *post, ctx context.Context) error {
			err := s.Open(ctx)
			if ctx.Err() != nil {
				<-hang
			}
			return err
		}}),
		sinkFault("Open panics", rulePanics, sinkHooks{open: func(*post, context.Context) error { panic("planted") }}),
		sinkFault("Open fails while the server is available", ruleOpen, sinkHooks{open: func(*post, context.Context) error { return errors.New("planted") }}),
		sinkFault("Open retries by itself", ruleContext, sinkHooks{open: func(s *post, ctx context.Context) error {
			for s.Open(context.Background()) != nil {
				time.Sleep(50 * time.Millisecond)
			}
			return nil
		}}),
		sinkFault("Ping returns nil while the server is unavailable", rulePing, sinkHooks{open: noOpen, ping: noOpen}),
		sinkFault("Ping fails while the server is available", rulePing, sinkHooks{ping: func(*post, context.Context) error { return errors.New("planted") }}),
		sinkFault("Ping returns Permanent", rulePing, sinkHooks{open: noOpen, ping: func(s *post, ctx context.Context) error { return plugin.Permanent(s.Ping(ctx)) }}),
		sinkFault("Ping delivers an event", ruleNoDelivery, sinkHooks{ping: func(s *post, ctx context.Context) error {
			return s.Write(ctx, []*event.Event{{Data: []byte("ping")}})
		}}),
		sinkFault("Probe delivers an event", ruleNoDelivery, sinkHooks{probe: func(s *post, ctx context.Context) []plugin.Finding {
			_ = s.Write(ctx, []*event.Event{{Data: []byte("probe")}})
			return s.Probe(ctx)
		}}),
		sinkFault("Ping panics", rulePanics, sinkHooks{ping: func(*post, context.Context) error { panic("planted") }}),
		sinkFault("Ping ignores its context", ruleContext, sinkHooks{ping: func(_ *post, ctx context.Context) error {
			if ctx.Err() != nil {
				<-hang
			}
			return nil
		}}),
		sinkFault("a sink does not work again after an error", ruleReconnects, sinkHooks{instance: func(s *post) plugin.Sink { return &staysBroken{post: s} }}),
		sinkFault("a cut connection is Permanent", ruleReconnects, sinkHooks{write: func(s *post, ctx context.Context, e []*event.Event) error {
			if err := s.Write(ctx, e); plugin.IsUnavailable(err) {
				return plugin.Permanent(errors.New("cut"))
			}
			return nil
		}}),
		onWrite("Permanent wraps Failed", ruleErrors, func(s *post, ctx context.Context, e []*event.Event) error {
			return plugin.Permanent(s.Write(ctx, e))
		}),
		onWrite("Write retries by itself", ruleOneAttempt, func(s *post, ctx context.Context, e []*event.Event) (err error) {
			for range 5 {
				if err = s.Write(ctx, e); err == nil {
					break
				}
			}
			return err
		}),
		onWrite("Write returns nil after its context has ended", ruleCancelled, func(s *post, ctx context.Context, e []*event.Event) error {
			if ctx.Err() != nil {
				return nil
			}
			return s.Write(ctx, e)
		}),
		sinkFault("Probe finds nothing", ruleProbe, sinkHooks{probe: func(*post, context.Context) []plugin.Finding { return nil }}),
		sinkFault("Probe panics", rulePanics, sinkHooks{probe: func(*post, context.Context) []plugin.Finding { panic("planted") }}),
		sinkFault("Probe ignores its context", ruleContext, sinkHooks{probe: func(s *post, ctx context.Context) []plugin.Finding {
			if ctx.Err() != nil {
				<-hang
			}
			return s.Probe(ctx)
		}}),
		sinkFault("Probe returns an invalid level", ruleProbe, sinkHooks{probe: func(*post, context.Context) []plugin.Finding { return []plugin.Finding{{Level: 7, Text: "x"}} }}),
	}
}

// retainsContext writes with the context of Open.
type retainsContext struct {
	*post
	ctx context.Context
}

func (s *retainsContext) Open(ctx context.Context) error { s.ctx = ctx; return s.post.Open(ctx) }

func (s *retainsContext) Write(_ context.Context, e []*event.Event) error {
	return s.post.Write(s.ctx, e)
}

// opensOnce cannot be opened again.
type opensOnce struct {
	*post
	panics bool
	opened atomic.Bool
}

func (s *opensOnce) Open(ctx context.Context) error {
	if s.opened.Swap(true) {
		if s.panics {
			panic("planted")
		}
		return errors.New("the sink is open")
	}
	return s.post.Open(ctx)
}

// staysBroken fails forever after its first error.
type staysBroken struct {
	*post
	failed atomic.Bool
}

func (s *staysBroken) Write(ctx context.Context, e []*event.Event) error {
	if s.failed.Load() {
		return fmt.Errorf("the connection is closed: %w", io.ErrClosedPipe)
	}
	err := s.post.Write(ctx, e)
	s.failed.Store(err != nil)
	return err
}
