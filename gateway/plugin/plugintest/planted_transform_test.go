package plugintest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// transformFaults returns faults in Apply.
func transformFaults() []planted {
	hang := make(chan struct{})
	type emitter = func(*event.Event)
	seen := map[string]bool{}
	lock := make(chan struct{}, 1)
	return []planted{
		onApply("Apply uses the state of a type without the capability", ruleState, func(u *upper, ctx context.Context, e *event.Event, emit func(*event.Event)) error {
			_ = u.env.State.Put(ctx, "k", []byte("v"))
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply changes a payload", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			copy(e.Data, bytes.ToUpper(e.Data))
			emit(e)
			return nil
		}),
		onApply("Apply replaces a payload", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			e.Data = bytes.ToUpper(e.Data)
			emit(e)
			return nil
		}),
		onApply("Apply appends to a payload", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			_ = append(e.Data, '\n')
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply changes a key", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			e.Key = "x"
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply changes an attribute", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if len(e.Attrs) > 0 {
				e.Attrs[0].Value = "x"
			}
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply adds an attribute", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			e.Attrs = append(e.Attrs, event.Attr{Name: "x"})
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply changes attributes of a shallow copy", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			c := *e
			if len(c.Attrs) > 0 {
				c.Attrs[0] = event.Attr{Name: "x"}
			}
			return u.apply(ctx, &c, emit)
		}),
		onApply("the event is changed in the next Apply", ruleEventUnchanged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if u.last != nil {
				u.last.Key = "next"
			}
			u.last = e
			return u.apply(ctx, e, emit)
		}),
		onApply("emitted events share a buffer", ruleEmitted, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			u.buffer = append(u.buffer[:0], bytes.ToUpper(e.Data)...)
			emit(e.WithData(u.buffer))
			return nil
		}),
		onApply("Apply emits the same event each time", ruleEmitted, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if u.last == nil {
				u.last = &event.Event{}
			}
			*u.last = *e.WithData(bytes.ToUpper(e.Data))
			emit(u.last)
			return nil
		}),
		onApply("an attribute is added to an emitted event", ruleEmitted, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.apply(ctx, e, func(e *event.Event) {
				if u.last != nil {
					u.last.Attrs = append(u.last.Attrs, event.Attr{Name: "x"})
				}
				u.last = e
				emit(e)
			})
		}),
		onApply("Apply emits nil", ruleEmitEnds, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error { emit(nil); return nil }),
		onApply("Apply emits an event and nil", ruleEmitEnds, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			defer emit(nil)
			return u.apply(ctx, e, emit)
		}),
		onApply("a goroutine emits later", ruleEmitEnds, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			u.env.Go(func(context.Context) { time.Sleep(5 * time.Millisecond); emit(e) })
			return nil
		}),
		onApply("the previous event is emitted with the next one", ruleEmitEnds, func() applyFunc {
			return func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
				if u.last != nil {
					emit(u.last)
				}
				go func() { time.Sleep(time.Millisecond); emit(e) }()
				return nil
			}
		}()),
		onApply("Apply emits twice", ruleCases, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.apply(ctx, e, func(e *event.Event) { emit(e); emit(e) })
		}),
		onApply("Apply emits nothing", ruleCases, func(*upper, context.Context, *event.Event, func(*event.Event)) error { return nil }),
		onApply("Apply loses the key", ruleCases, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.apply(ctx, e, func(e *event.Event) { e.Key = ""; emit(e) })
		}),
		onApply("Apply loses the attributes", ruleCases, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.apply(ctx, e, func(e *event.Event) { e.Attrs = nil; emit(e) })
		}),
		onApply("Apply changes the ID", ruleCases, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.apply(ctx, e, func(e *event.Event) { e.ID = "x"; emit(e) })
		}),
		onApply("Apply sets the time of the machine", ruleCases, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.apply(ctx, e, func(e *event.Event) { e.Time = time.Now(); emit(e) })
		}),
		onApply("Apply ignores an error", ruleCases, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			_ = u.apply(ctx, e, emit)
			return nil
		}),
		onApply("Apply drops an event after its context has ended", ruleCases, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if ctx.Err() != nil {
				return nil
			}
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply depends on earlier events", ruleReuse, everySecond),
		onApply("Apply fails forever after an error", ruleReuse, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if u.n > 0 {
				return errors.New("it fails")
			}
			err := u.apply(ctx, e, emit)
			if err != nil {
				u.n++
			}
			return err
		}),
		onApply("instances share a global", ruleInstances, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			lock <- struct{}{}
			loaded := seen[string(e.Data)]
			seen[string(e.Data)] = true
			<-lock
			if loaded {
				return nil
			}
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply panics", rulePanics, func(*upper, context.Context, *event.Event, func(*event.Event)) error { panic("planted") }),
		onApply("Apply panics without attributes", rulePanics, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			_ = e.Attrs[0].Name
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply panics on an empty payload", rulePanics, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			_ = e.Data[0]
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply hangs on truncated JSON", ruleContext, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if bytes.HasSuffix(e.Data, []byte(`:"`)) {
				<-hang
			}
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply returns Unavailable for an event", ruleApplyAnyEvent, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if slices.Contains(e.Data, 0xff) {
				return plugin.Unavailable(errors.New("no UTF-8"))
			}
			return u.apply(ctx, e, emit)
		}),
		onApply("Apply returns a typed nil", ruleErrors, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			_ = u.apply(ctx, e, emit)
			var err *nilError
			return err
		}),
		onApply("an error of Apply has no text", ruleErrors, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			if u.apply(ctx, e, emit) != nil {
				return emptyError{}
			}
			return nil
		}),
		dialFault("Apply returns no Unavailable while its server is unavailable", ruleApplyUnavailable, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.dialled(ctx, e, emit, func(err error) error { return err })
		}),
		dialFault("Apply ignores its context while a server does not answer", ruleContext, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			return u.dialled(context.Background(), e, emit, plugin.Unavailable)
		}),
		dialFault("an error is logged and returned", ruleLogged, func(u *upper, ctx context.Context, e *event.Event, emit emitter) error {
			err := u.dialled(ctx, e, emit, plugin.Unavailable)
			if err != nil {
				u.env.Log.Error("failed", "error", err)
			}
			return err
		}),
	}
}
