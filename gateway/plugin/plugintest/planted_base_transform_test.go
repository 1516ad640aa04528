package plugintest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

type upperOptions struct {
	Suffix string `koanf:"suffix" doc:"what to append"`
	Server string `koanf:"server" doc:"is dialled with each event"`
	Most   int    `koanf:"most" rule:"min=0,max=5" doc:"is not used"`
}

// upperHooks replace methods of upper; nil replaces none.
type upperHooks struct {
	apply func(u *upper, ctx context.Context, e *event.Event, emit func(*event.Event)) error
	build func(upperOptions, plugin.Env)
	close func(u *upper) error
}

// upper is a transform without faults that writes payloads in upper case.
type upper struct {
	o      upperOptions
	env    plugin.Env
	h      upperHooks
	n      int
	buffer []byte
	last   *event.Event
}

func (u *upper) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	if u.h.apply != nil {
		return u.h.apply(u, ctx, e, emit)
	}
	return u.apply(ctx, e, emit)
}

func (u *upper) apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	switch string(e.Data) {
	case "drop":
		return nil
	case "fail":
		return errors.New("it fails")
	}
	emit(e.WithData(append(bytes.ToUpper(e.Data), u.o.Suffix...)))
	return nil
}

// dialled applies after a server has answered with a byte. mark wraps the error of a missing answer.
func (u *upper) dialled(ctx context.Context, e *event.Event, emit func(*event.Event), mark func(error) error) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.o.Server)
	if err == nil {
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		_, err = conn.Read(make([]byte, 1))
	}
	if err != nil {
		return mark(errors.New("no answer"))
	}
	return u.apply(ctx, e, emit)
}

func (u *upper) Close(context.Context) error {
	if u.h.close != nil {
		return u.h.close(u)
	}
	return nil
}

func upperType(h upperHooks) plugin.TransformType {
	return plugin.NewTransform("upper", "Writes in upper case.", func() upperOptions { return upperOptions{Most: 3} }, func(o upperOptions, env plugin.Env) (plugin.Transform, error) {
		if h.build != nil {
			h.build(o, env)
		}
		return &upper{o: o, env: env, h: h}, nil
	})
}

var upperCases = []TransformCase{
	{Name: "plain", Options: `{}`, In: `{"a":1}`, Out: []string{`{"A":1}`}},
	{Name: "another", Options: `{}`, In: `{"b":22}`, Out: []string{`{"B":22}`}},
	{Name: "with a suffix", Options: `suffix: "!"`, In: `a`, Out: []string{`A!`}},
	{Name: "dropped", Options: `{}`, In: `drop`},
	{Name: "fails", Options: `{}`, In: `fail`, Error: "it fails"},
}

func faultlessTransform(t testing.TB) []rule {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("x"))
			conn.Close()
		}
	}()
	dials := upperHooks{apply: func(u *upper, ctx context.Context, e *event.Event, emit func(*event.Event)) error {
		if u.o.Server == "" {
			return u.apply(ctx, e, emit)
		}
		return u.dialled(ctx, e, emit, plugin.Unavailable)
	}}
	cases := append([]TransformCase{{Name: "dials", Options: "server: " + l.Addr().String(), In: `a`, Out: []string{`A`}}}, upperCases...)
	return transformRules(TransformHarness{Type: upperType(dials), Cases: cases, InvalidOptions: map[string]string{`most: 6`: "options:1:7: most: must be at most 5"}})
}

// everySecond drops every second event.
func everySecond(u *upper, ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	if u.n++; u.n%2 == 0 {
		return nil
	}
	return u.apply(ctx, e, emit)
}

func faultlessStatefulTransform(t testing.TB) []rule {
	return transformRules(TransformHarness{Type: upperType(upperHooks{apply: everySecond}), Cases: upperCases[:1], Stateful: true})
}

type applyFunc = func(*upper, context.Context, *event.Event, func(*event.Event)) error

func onApply(name, rule string, f applyFunc) planted {
	return upperFault(name, rule, upperHooks{apply: f})
}

func upperFault(name, broken string, h upperHooks) planted {
	return planted{name: "transform: " + name, rule: broken, rules: func(t testing.TB) []rule {
		return transformRules(TransformHarness{Type: upperType(h), Cases: upperCases})
	}}
}

// dialFault returns a transform with a server and one fault, which a rule has to find.
func dialFault(name, broken string, f applyFunc) planted {
	return planted{name: "transform: " + name, rule: broken, rules: func(t testing.TB) []rule {
		cases := []TransformCase{{Name: "dials", Options: "server: 127.0.0.1:1", In: `a`, Out: []string{`A`}}}
		return transformRules(TransformHarness{Type: upperType(upperHooks{apply: f}), Cases: cases})
	}}
}
