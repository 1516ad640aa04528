package config

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"context"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/router"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

type tidy struct {
	Speed int `koanf:"speed" rule:"min=1" doc:"events in a second"`
}

// invalid has one of each mistake.
type invalid struct {
	Type    string         `koanf:"type" doc:"x"`
	Timeout int            `koanf:"timeout" doc:"x"`
	Ratio   float32        `koanf:"ratio" doc:"x"`
	Each    map[string]int `koanf:"each" doc:"x"`
	Silent  string         `koanf:"silent"`
	Loud    string         `koanf:"Loud" doc:"x"`
	Twice   string         `koanf:"twice" doc:"x"`
	Again   string         `koanf:"twice" doc:"x"`
	Ruled   string         `koanf:"ruled" rule:"never" doc:"x"`
	Tagless string         `doc:"x"`
	hidden  string         `koanf:"hidden" doc:"x"`
	In      struct {
		Deep chan int `koanf:"deep" doc:"x"`
	} `koanf:"in"`
}

// TestCheckPlugins proves that all mistakes of a plugin type are reported.
func TestCheckPlugins(t *testing.T) {
	_ = invalid{}.hidden
	sink := func(name string) plugin.SinkType {
		return plugin.NewSink(name, "x", func() tidy { return tidy{1} }, func(tidy, plugin.Env) (plugin.Sink, error) { return nil, nil })
	}
	command := func(name string) plugin.Command {
		return plugin.Command{Name: name, New: func(*flag.FlagSet) func(context.Context, plugin.Invocation) error { return nil }}
	}
	if err := CheckPlugins(plugin.Set{Sinks: []plugin.SinkType{sink("a"), sink("b").WithMaxBatch(1).WithCommand(command("own"))}}, "check"); err != nil {
		t.Errorf("tidy types: %v", err)
	}
	err := CheckPlugins(plugin.Set{
		Sources: []plugin.SourceType{{}},
		Sinks: []plugin.SinkType{
			sink("a"), sink("a"), sink("Upper"), sink("none").WithMaxBatch(0), sink("c").WithCommand(command("check")),
			sink("d").WithCommand(command("own")), sink("e").WithCommand(command("own")), sink("f").WithCommand(command("")),
			plugin.NewSink("invalid", "x", func() invalid { return invalid{} }, func(invalid, plugin.Env) (plugin.Sink, error) { return nil, nil }),
			plugin.NewSink("number", "x", func() int { return 1 }, func(int, plugin.Env) (plugin.Sink, error) { return nil, nil }),
		},
	}, "check")
	if err == nil {
		t.Fatal("nothing is said")
	}
	for _, want := range []string{
		"was not made by NewSource", `"a": the name is used twice`, `"Upper": the name is malformed`, "WithMaxBatch(0)",
		`the command "check" belongs to gateway itself`, `the command "own" belongs to the type d`, `the command "" has no valid name`,
		"type is reserved", "timeout is reserved", "the option each has the type map[string]int, which is not supported: use options.Map[int]",
		"the option silent has no doc tag", `"Loud" is no valid name of an option`, "the option twice is defined twice", "no rule never",
		"Tagless: has no koanf tag", "hidden: is not exported", "the option in.deep has the type chan int, which is not supported", "the options are *int: make them a struct",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

// TestReservedOptions proves that the router's option keys of each kind are reserved.
func TestReservedOptions(t *testing.T) {
	for kind, all := range map[plugin.Kind][]any{
		plugin.KindSource: {&router.Capture{}}, plugin.KindTransform: {&router.Failure{}, &router.Collect{}}, plugin.KindSink: {&delivery.Options{}},
	} {
		for _, own := range append(all, &header{}) {
			for _, key := range options.Keys(own) {
				if !slices.Contains(plugin.ReservedOptions(kind), key) {
					t.Errorf("an option of a %s may be called %s, which is the router's", kind, key)
				}
			}
		}
	}
}
