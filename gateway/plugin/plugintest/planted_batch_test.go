package plugintest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// joiner is a batch transform without faults that joins payloads with +.
type joiner struct {
	o      upperOptions
	env    plugin.Env
	f      applyBatchFunc
	n      int
	buffer []byte
	last   *event.Event
}

type applyBatchFunc = func(j *joiner, ctx context.Context, w plugin.Window, emit func(*event.Event)) error

func (j *joiner) ApplyBatch(ctx context.Context, w plugin.Window, emit func(*event.Event)) error {
	if j.f != nil {
		return j.f(j, ctx, w, emit)
	}
	return j.join(w, emit)
}

func (j *joiner) join(w plugin.Window, emit func(*event.Event)) error {
	var all [][]byte
	for _, e := range w.Events {
		if string(e.Data) == "fail" {
			return errors.New("it fails")
		}
		all = append(all, e.Data)
	}
	emit(w.Events[0].WithData(append(bytes.Join(all, []byte("+")), j.o.Suffix...)))
	return nil
}

// dialled applies after a server has answered with a byte. mark wraps the error of a missing answer.
func (j *joiner) dialled(ctx context.Context, w plugin.Window, emit func(*event.Event), mark func(error) error) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", j.o.Server)
	if err == nil {
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		_, err = conn.Read(make([]byte, 1))
	}
	if err != nil {
		return mark(errors.New("no answer"))
	}
	return j.join(w, emit)
}

func joinType(f applyBatchFunc) plugin.TransformType {
	return plugin.NewBatchTransform("upper", "Joins payloads.", func() upperOptions { return upperOptions{Most: 3} }, func(o upperOptions, env plugin.Env) (plugin.BatchTransform, error) {
		return &joiner{o: o, env: env, f: f}, nil
	})
}

const exampleBatch = "\n```yaml\ntransforms:\n  up: {type: upper, collect: {size: 2}}\n```\n\n```json\n1\n2\n```\n\n```json\n1+2\n```\n"

var joinCases = []BatchCase{
	{Name: "two", Options: `{}`, In: []string{"1", "2"}, Out: []string{"1+2"}},
	{Name: "another", Options: `{}`, In: []string{"3", "4", "5"}, Out: []string{"3+4+5"}, Check: func(t testing.TB, _ int, e *event.Event) {
		if e.ID != "id-0" || e.Key != "key" {
			t.Errorf("%+v", e)
		}
	}},
	{Name: "a suffix", Options: `suffix: "!"`, In: []string{"1"}, Out: []string{"1!"}},
	{Name: "fails", Options: `{}`, In: []string{"1", "fail"}, Error: "it fails"},
}

func faultlessBatchTransform(testing.TB) []rule {
	return batchRules(BatchHarness{Type: joinType(nil), Cases: joinCases, InvalidOptions: map[string]string{`most: 6`: "options:1:7: most: must be at most 5"}})
}

// batchFaults returns faults in ApplyBatch.
func batchFaults() []planted {
	type emitter = func(*event.Event)
	on := func(name, broken string, f applyBatchFunc) planted {
		return planted{name: "batch: " + name, rule: broken, rules: func(testing.TB) []rule {
			return batchRules(BatchHarness{Type: joinType(f), Cases: joinCases})
		}}
	}
	dials := func(name, broken string, f applyBatchFunc) planted {
		return planted{name: "batch: " + name, rule: broken, rules: func(testing.TB) []rule {
			return batchRules(BatchHarness{Type: joinType(f), Cases: []BatchCase{{Name: "dials", Options: "server: 127.0.0.1:1", In: []string{"1"}, Out: []string{"1"}}}})
		}}
	}
	hang, shared := make(chan struct{}), make(chan int, 1)
	shared <- 0
	return []planted{
		{name: "batch: a type of another constructor", rule: ruleBatchType, rules: func(testing.TB) []rule {
			return batchRules(BatchHarness{Type: upperType(upperHooks{})})
		}},
		on("ApplyBatch changes bytes", ruleBatchUnchanged, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			w.Events[0].Data[0] = 'x'
			return j.join(w, emit)
		}),
		on("ApplyBatch appends to the first payload", ruleBatchUnchanged, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			_ = append(w.Events[0].Data, '+')
			return j.join(w, emit)
		}),
		on("ApplyBatch changes the last event", ruleBatchUnchanged, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			w.Events[len(w.Events)-1].Key = "x"
			return j.join(w, emit)
		}),
		on("a window is changed in the next call", ruleBatchUnchanged, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			if j.last != nil {
				j.last.Key = "next"
			}
			j.last = w.Events[0]
			return j.join(w, emit)
		}),
		on("emitted events share a buffer", ruleBatchEmitted, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			return j.join(w, func(e *event.Event) {
				j.buffer = append(j.buffer[:0], e.Data...)
				emit(e.WithData(j.buffer))
			})
		}),
		on("it emits nil", ruleBatchEnds, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error { emit(nil); return nil }),
		on("a goroutine emits later", ruleBatchEnds, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			j.env.Go(func(context.Context) { time.Sleep(5 * time.Millisecond); emit(w.Events[0]) })
			return nil
		}),
		on("it loses the last event", ruleBatchCases, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			w.Events = w.Events[:max(1, len(w.Events)-1)]
			return j.join(w, emit)
		}),
		on("it loses the key", ruleBatchCases, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			return j.join(w, func(e *event.Event) { e.Key = ""; emit(e) })
		}),
		on("it emits nothing after its context has ended", ruleBatchCases, func(j *joiner, ctx context.Context, w plugin.Window, emit emitter) error {
			if ctx.Err() != nil {
				return nil
			}
			return j.join(w, emit)
		}),
		on("it emits an event with the next window", ruleBatchCases, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			if j.last != nil {
				emit(j.last)
			}
			j.last = w.Events[0]
			return nil
		}),
		on("it depends on earlier windows", ruleReuse, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			if j.n++; j.n > 3 {
				return nil
			}
			return j.join(w, emit)
		}),
		on("instances share a global", ruleInstances, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			n := <-shared
			shared <- n + 1
			if n > 0 {
				return nil
			}
			return j.join(w, emit)
		}),
		on("it panics", rulePanics, func(*joiner, context.Context, plugin.Window, emitter) error { panic("planted") }),
		on("it panics on a window with one event", rulePanics, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			_ = w.Events[1]
			return j.join(w, emit)
		}),
		on("it panics on an empty payload", rulePanics, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			for _, e := range w.Events {
				_ = e.Data[0]
			}
			return j.join(w, emit)
		}),
		on("it hangs on a payload that is not UTF-8", ruleContext, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			if slices.Contains(w.Events[0].Data, 0xff) {
				<-hang
			}
			return j.join(w, emit)
		}),
		on("it returns Unavailable for an event", ruleAnyWindow, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			if len(w.Events[0].Data) == 0 {
				return plugin.Unavailable(errors.New("empty"))
			}
			return j.join(w, emit)
		}),
		dials("it returns no Unavailable while its server is unavailable", ruleBatchUnavailable, func(j *joiner, ctx context.Context, w plugin.Window, emit emitter) error {
			return j.dialled(ctx, w, emit, func(err error) error { return err })
		}),
		dials("it ignores its context while a server does not answer", ruleContext, func(j *joiner, _ context.Context, w plugin.Window, emit emitter) error {
			return j.dialled(context.Background(), w, emit, plugin.Unavailable)
		}),
		dials("an error is logged and returned", ruleLogged, func(j *joiner, ctx context.Context, w plugin.Window, emit emitter) error {
			err := j.dialled(ctx, w, emit, plugin.Unavailable)
			if err != nil {
				j.env.Log.Error("failed", "error", err)
			}
			return err
		}),
	}
}
