package plugintest

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

func onClose(name, rule string, f func(*post, context.Context) error) planted {
	return sinkFault(name, rule, sinkHooks{close: f})
}

// closeFaults returns faults in Close, and leaks.
func closeFaults() []planted {
	hang := make(chan struct{})
	leak := func(s *post) plugin.Sink {
		go func() { <-hang }()
		return &faultySink{post: s}
	}
	var closedOnce sync.Map
	first := func(s any) bool { _, loaded := closedOnce.LoadOrStore(s, true); return !loaded }
	return []planted{
		onClose("Close panics", rulePanics, func(*post, context.Context) error { panic("planted") }),
		onClose("Close ignores its context", ruleContext, func(*post, context.Context) error { <-hang; return nil }),
		onClose("Close hangs after its context has ended", ruleContext, func(_ *post, ctx context.Context) error {
			if ctx.Err() != nil {
				<-hang
			}
			return nil
		}),
		onClose("Close fails on an unused instance", ruleCloseUnused, func(s *post, _ context.Context) error { return errors.New("planted") }),
		onClose("Close panics the second time", ruleCloseTwice, func(s *post, ctx context.Context) error {
			if !first(s) {
				panic("planted")
			}
			return s.Close(ctx)
		}),
		onClose("Close hangs the second time", ruleContext, func(s *post, ctx context.Context) error {
			if !first(s) {
				<-hang
			}
			return s.Close(ctx)
		}),
		sinkFault("Write panics after Close", rulePanics, sinkHooks{
			close: func(s *post, ctx context.Context) error { first(s); return s.Close(ctx) },
			write: func(s *post, ctx context.Context, e []*event.Event) error {
				if _, is := closedOnce.Load(s); is {
					panic("planted")
				}
				return s.Write(ctx, e)
			},
		}),
		sinkFault("closing one instance closes all", ruleInstances, func() sinkHooks {
			var closed atomic.Bool
			return sinkHooks{
				build: func(o postOptions, env plugin.Env) (*post, error) { return newPost(o, env) },
				close: func(s *post, ctx context.Context) error { closed.Store(true); return s.Close(ctx) },
				write: func(s *post, ctx context.Context, e []*event.Event) error {
					if closed.Load() {
						return errors.New("the sink is closed")
					}
					return s.Write(ctx, e)
				},
			}
		}()),
		onClose("Close returns a typed nil", ruleErrors, func(*post, context.Context) error { var err *nilError; return err }),
		onClose("connections are not closed", ruleLeaks, func(*post, context.Context) error { return nil }),
		onClose("it logs after Close", ruleAfterClose, func(s *post, ctx context.Context) error {
			go func() { time.Sleep(20 * time.Millisecond); s.env.Log.Info("late") }()
			return s.Close(ctx)
		}),
		sinkFault("Build leaks a goroutine", ruleLeaks, sinkHooks{instance: leak}),
		sinkFault("Open leaks a goroutine", ruleLeaks, sinkHooks{open: func(s *post, ctx context.Context) error {
			go func() { <-hang }()
			return s.Open(ctx)
		}}),
		sinkFault("Ping leaks a goroutine", ruleLeaks, sinkHooks{ping: func(s *post, ctx context.Context) error {
			go func() { <-hang }()
			return s.Ping(ctx)
		}}),
		sinkFault("a failed Open leaks a goroutine", ruleLeaks, sinkHooks{open: func(s *post, ctx context.Context) error {
			err := s.Open(ctx)
			if err != nil {
				go func() { <-hang }()
			}
			return err
		}}),
		sinkFault("a function of Env.Go does not end", ruleLeaks, sinkHooks{open: func(s *post, ctx context.Context) error {
			s.env.Go(func(context.Context) { <-hang })
			return s.Open(ctx)
		}}),
		onWrite("Write leaks a goroutine", ruleLeaks, func(s *post, ctx context.Context, e []*event.Event) error {
			go func() { <-hang }()
			return s.Write(ctx, e)
		}),
		sinkFault("a function of Env.Go panics", rulePanics, sinkHooks{open: func(s *post, ctx context.Context) error {
			s.env.Go(func(context.Context) { panic("planted") })
			return s.Open(ctx)
		}}),
		sinkFault("a handler is mounted in Open", ruleBuild, sinkHooks{open: func(s *post, ctx context.Context) error {
			_ = s.env.HTTP.Handle("/late", nil)
			return s.Open(ctx)
		}}),
		onRun("Run leaks a goroutine", ruleLeaks, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			go func() { <-hang }()
			return s.run(ctx, out)
		}),
		onRun("Run leaks a connection", ruleLeaks, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			if conn, err := s.connect(ctx); err == nil {
				leaked.Store(conn, true)
			}
			return s.run(ctx, out)
		}),
		onRun("a ticker of Env.Go runs after Close", ruleLeaks, func(s *lineSource, ctx context.Context, out plugin.Output) error {
			s.env.Go(func(context.Context) {
				for range time.Tick(10 * time.Millisecond) {
				}
			})
			return s.run(ctx, out)
		}),
		sourceFault("Close of a source panics", rulePanics, lineHooks{close: func(*lineSource, context.Context) error { panic("planted") }}),
		sourceFault("Close of a source hangs on an unused instance", ruleContext, lineHooks{close: func(s *lineSource, _ context.Context) error {
			if s.runs == 0 {
				<-hang
			}
			return nil
		}}),
		sourceFault("Close of a source panics the second time", ruleCloseTwice, lineHooks{close: func(s *lineSource, _ context.Context) error {
			if !first(s) {
				panic("planted")
			}
			return nil
		}}),
		upperFault("Close of a transform panics", rulePanics, upperHooks{close: func(*upper) error { panic("planted") }}),
		upperFault("Close of a transform hangs", ruleContext, upperHooks{close: func(*upper) error { <-hang; return nil }}),
		upperFault("Close of a transform panics the second time", ruleCloseTwice, upperHooks{close: func(u *upper) error {
			if !first(u) {
				panic("planted")
			}
			return nil
		}}),
		onApply("Apply leaks a goroutine", ruleLeaks, func(u *upper, ctx context.Context, e *event.Event, emit func(*event.Event)) error {
			go func() { <-hang }()
			return u.apply(ctx, e, emit)
		}),
		upperFault("Build of a transform leaks a goroutine", ruleLeaks, upperHooks{build: func(upperOptions, plugin.Env) { go func() { <-hang }() }}),
	}
}

// leaked holds connections and files, so that the garbage collector does not close them.
var leaked sync.Map

// openFile opens a file and leaks it.
func openFile() {
	if f, err := os.Open(os.DevNull); err == nil {
		leaked.Store(f, true)
	}
}
