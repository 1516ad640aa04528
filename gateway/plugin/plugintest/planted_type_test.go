package plugintest

import (
	"context"
	"flag"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// null is a sink that does nothing.
type null struct{}

func (null) Write(context.Context, []*event.Event) error { return nil }

// typeWith returns a type with options O.
func typeWith[O any](name, summary string, defaults O) plugin.SinkType {
	return plugin.NewSink(name, summary, func() O { return defaults }, func(O, plugin.Env) (plugin.Sink, error) { return null{}, nil })
}

func typeFault(name, broken string, typ plugin.SinkType) planted {
	return planted{name: "type: " + name, rule: broken, rules: func(testing.TB) []rule { return sinkRules(SinkHarness{Type: typ}) }}
}

// instanceFault returns a type whose instance has a fault.
func instanceFault(name, rule string, impl plugin.Sink) planted {
	return typeFault(name, rule, plugin.NewSink("x", "Does.", func() struct{} { return struct{}{} }, func(struct{}, plugin.Env) (plugin.Sink, error) { return impl, nil }))
}

// Sinks and options whose methods have wrong names or signatures.
type (
	opne           struct{ null }
	pinger         struct{ null }
	closed         struct{ null }
	gapNoError     struct{ null }
	byPtr          struct{ null }
	closeNoContext struct{ null }
	prob           struct{ null }
	probes         struct{ null }
	odd            struct {
		A string `koanf:"a" doc:"a"`
	}
	unruly struct {
		A int `koanf:"a" rule:"min=3" doc:"a"`
	}
	chekc struct {
		A string `koanf:"a" doc:"a"`
	}
)

func (opne) Opne(context.Context) error              { return nil }
func (pinger) Pinger(context.Context) error          { return nil }
func (closed) Colse(context.Context) error           { return nil }
func (gapNoError) Gap(context.Context, plugin.Gap)   {}
func (*byPtr) Close(context.Context) error           { return nil }
func (closeNoContext) Close() error                  { return nil }
func (prob) Probe(context.Context) error             { return nil }
func (probes) Probee(context.Context) error          { return nil }
func (*odd) Check() error                            { return nil }
func (*chekc) Chekc(func(string, string))            {}
func (*chekc) Validate(func(option, problem string)) {}

// campaings and closes have misspelt optional methods.
type campaings struct{ *lineSource }

func (campaings) Campain(ctx context.Context, name string, above int64, standby func(string)) (plugin.Leadership, error) {
	return nil, nil
}

type closes struct{ u plugin.Transform }

func (c closes) Apply(ctx context.Context, e *event.Event, emit func(*event.Event)) error {
	return c.u.Apply(ctx, e, emit)
}
func (closes) Cloes(context.Context) error { return nil }

func command(name, summary string) plugin.Command {
	return plugin.Command{Name: name, Summary: summary, New: func(*flag.FlagSet) func(context.Context, plugin.Invocation) error { return nil }}
}

func typeFaults() []planted {
	type (
		typeNamed struct {
			A string `koanf:"type" doc:"a"`
		}
		timeoutNamed struct {
			A string `koanf:"timeout" doc:"a"`
		}
		undocumented struct {
			A string `koanf:"a"`
		}
		untagged struct {
			A string `doc:"a"`
		}
		upperNamed struct {
			A string `koanf:"Url" doc:"a"`
		}
		unknownRule struct {
			A string `koanf:"a" rule:"most=1" doc:"a"`
		}
		mapKind struct {
			A map[string]string `koanf:"a" doc:"a"`
		}
		chanKind struct {
			A chan int `koanf:"a" doc:"a"`
		}
		pointerKind struct {
			A *int `koanf:"a" doc:"a"`
		}
		wrongRule struct {
			A string `koanf:"a" rule:"min=1m" doc:"a"`
		}
		funcKind struct {
			A func() `koanf:"a" doc:"a"`
		}
		twiceNamed struct {
			A string `koanf:"a" doc:"a"`
			B string `koanf:"a" doc:"a"`
		}
		documented struct {
			A string `koanf:"a" doc:"a"`
		}
		listed struct {
			A []string `koanf:"a" doc:"a"`
		}
	)
	list := []string{"x"}
	shared := plugin.NewSink("x", "Does.", func() listed { return listed{list} }, func(listed, plugin.Env) (plugin.Sink, error) { return null{}, nil })
	return []planted{
		typeFault("it has no name", ruleType, typeWith("", "Does.", struct{}{})),
		typeFault("its name has upper case", ruleType, typeWith("Kafka", "Does.", struct{}{})),
		typeFault("it has no summary", ruleType, typeWith("x", "", struct{}{})),
		typeFault("MaxBatch is 0", ruleType, typeWith("x", "Does.", struct{}{}).WithMaxBatch(0)),
		typeFault("a capability belongs to sources", ruleType, typeWith("x", "Does.", struct{}{}).With(plugin.Replays)),
		typeFault("a capability is unknown", ruleType, typeWith("x", "Does.", struct{}{}).With("fast")),
		typeFault("the options are not a struct", ruleOptions, typeWith("x", "Does.", "text")),
		typeFault("an option is called type", ruleOptions, typeWith("x", "Does.", typeNamed{})),
		typeFault("an option is called timeout", ruleOptions, typeWith("x", "Does.", timeoutNamed{})),
		typeFault("an option has no doc", ruleOptions, typeWith("x", "Does.", undocumented{})),
		typeFault("an option has no koanf tag", ruleOptions, typeWith("x", "Does.", untagged{})),
		typeFault("an option is called Url", ruleOptions, typeWith("x", "Does.", upperNamed{})),
		typeFault("an option has an unknown rule", ruleOptions, typeWith("x", "Does.", unknownRule{})),
		typeFault("an option is a map", ruleOptions, typeWith("x", "Does.", mapKind{})),
		typeFault("an option is a channel", ruleOptions, typeWith("x", "Does.", chanKind{})),
		typeFault("an option is a pointer", ruleOptions, typeWith("x", "Does.", pointerKind{})),
		typeFault("a rule does not fit its option", ruleOptions, typeWith("x", "Does.", wrongRule{})),
		typeFault("an option is a function", ruleOptions, typeWith("x", "Does.", funcKind{})),
		typeFault("two options have the same name", ruleOptions, typeWith("x", "Does.", twiceNamed{})),
		typeFault("the table in README.md is old", ruleReadme, typeWith("x", "Does.", documented{})),
		typeFault("Defaults returns the same list each time", ruleDefaults, shared),
		typeFault("a default is invalid", ruleDefaults, typeWith("x", "Does.", unruly{A: 1})),
		typeFault("Check has another signature", ruleMethods, typeWith("x", "Does.", odd{})),
		typeFault("Check is misspelt", ruleMethods, typeWith("x", "Does.", chekc{})),
		instanceFault("Open is misspelt", ruleMethods, opne{}),
		instanceFault("Ping is called Pinger", ruleMethods, pinger{}),
		instanceFault("Close is misspelt", ruleMethods, closed{}),
		instanceFault("Gap returns no error", ruleMethods, gapNoError{}),
		instanceFault("Close has a pointer receiver", ruleMethods, byPtr{}),
		instanceFault("Close has no context", ruleMethods, closeNoContext{}),
		instanceFault("Probe returns an error", ruleMethods, prob{}),
		instanceFault("Probe is misspelt", ruleMethods, probes{}),
		instanceFault("it is nil", ruleMethods, (*post)(nil)),
		sourceFault("Campaign is misspelt", ruleMethods, lineHooks{instance: func(s *lineSource) plugin.Source { return campaings{s} }}),
		{name: "transform: Close is misspelt", rule: ruleMethods, rules: func(t testing.TB) []rule {
			typ := plugin.NewTransform("upper", "Does.", func() upperOptions { return upperOptions{} }, func(o upperOptions, _ plugin.Env) (plugin.Transform, error) { return closes{&upper{o: o}}, nil })
			return transformRules(TransformHarness{Type: typ, Cases: upperCases})
		}},
		{name: "source: it has the capability ElectsLeader, but is no Elector", rule: ruleMethods, rules: func(t testing.TB) []rule {
			return sourceRules(lineHarness(t, lineType(lineHooks{}).With(plugin.ElectsLeader)))
		}},
		{name: "source: it is an Elector without the capability ElectsLeader", rule: ruleMethods, rules: func(t testing.TB) []rule {
			return sourceRules(lineHarness(t, lineType(lineHooks{instance: func(s *lineSource) plugin.Source { s.h.campaign = (*lineSource).campaign; return &electing{s} }})))
		}},
		{name: "source: it reads a history that its options do not name", rule: ruleHistory, rules: func(t testing.TB) []rule {
			return sourceRules(lineHarness(t, lineType(lineHooks{instance: func(s *lineSource) plugin.Source { return &readsHistory{s} }})))
		}},
		sourceFault("ReadHistory is misspelt", ruleMethods, lineHooks{instance: func(s *lineSource) plugin.Source { return &readHistroy{s} }}),
		typeFault("a command has no summary", ruleType, typeWith("x", "Does.", struct{}{}).WithCommand(command("do", ""))),
		typeFault("a command runs nothing", ruleType, typeWith("x", "Does.", struct{}{}).WithCommand(command("do", "Does."))),
		typeFault("a command has no name", ruleType, typeWith("x", "Does.", struct{}{}).WithCommand(command("", "Does."))),
	}
}

// readsHistory is lineSource with a history that its options do not name.
type readsHistory struct{ *lineSource }

func (*readsHistory) ReadHistory(context.Context, time.Time, func([]*event.Event) error) error {
	return nil
}

// readHistroy is lineSource with a method that is never called.
type readHistroy struct{ *lineSource }

func (*readHistroy) ReadHistroy(context.Context, time.Time, func([]*event.Event) error) error {
	return nil
}
