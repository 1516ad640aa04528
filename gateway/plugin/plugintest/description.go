package plugintest

import (
	"context"
	"flag"
	"reflect"
	"slices"
	"strings"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

const (
	ruleType    = "the type has a name, a summary and valid capabilities"
	ruleMethods = "optional methods have the names and signatures of the contract"
)

func (s subject[T]) checkDescription(c *check) {
	if err := checkType(s.typ); err != nil {
		for text := range strings.Lines(err.Error()) {
			c.Errorf("%s", text)
		}
	}
	if strings.TrimSpace(s.typ.Summary()) == "" {
		c.Errorf("the type %s has no summary", s.typ.Name())
	}
	if strings.Contains(s.typ.Summary(), "\n") {
		c.Errorf("the summary has more than one line")
	}
	for _, capability := range s.typ.Capabilities() {
		of := map[plugin.Capability]plugin.Kind{
			plugin.Replays: plugin.KindSource, plugin.AnswersSenders: plugin.KindSource, plugin.ElectsLeader: plugin.KindSource, plugin.Concurrent: plugin.KindSink,
			plugin.Durable: plugin.KindSink, plugin.Deduplicates: plugin.KindTransform, plugin.Stateful: plugin.KindTransform,
			plugin.KeepsFields: plugin.KindTransform, plugin.ReportsAttempts: plugin.KindSink,
		}
		if capability == plugin.KeepsState { // of all kinds
			continue
		}
		if kind := of[capability]; kind == "" {
			c.Errorf("there is no capability %q", capability)
		} else if kind != s.typ.Kind() {
			c.Errorf("the capability %q belongs to a %s", capability, kind)
		}
	}
	for _, command := range s.typ.Commands() {
		_ = c.call(c.ctx, "New of the command "+command.Name, func(context.Context) error {
			if command.New == nil || command.New(flag.NewFlagSet(command.Name, flag.ContinueOnError)) == nil {
				c.Errorf("the command %s has no function to run", command.Name)
			}
			return nil
		})
		if strings.TrimSpace(command.Summary) == "" {
			c.Errorf("the command %s has no summary", command.Name)
		}
	}
	build(c, s.typ, optionsOf(c, s.typ, s.reachable)) // Build compares the capabilities with the instance
}

// checkType checks a type as the gateway does when it starts.
func checkType[T any](typ plugin.Type[T]) error {
	var set plugin.Set
	switch t := any(typ).(type) {
	case plugin.SourceType:
		set.Sources = []plugin.SourceType{t}
	case plugin.TransformType:
		set.Transforms = []plugin.TransformType{t}
	case plugin.SinkType:
		set.Sinks = []plugin.SinkType{t}
	}
	return set.Check()
}

// optional returns the optional methods of a kind of plugin, by name.
func optional(kind plugin.Kind) map[string]reflect.Type {
	out := map[string]reflect.Type{"Close": reflect.TypeFor[plugin.Closer](), "Probe": reflect.TypeFor[plugin.Prober]()}
	switch kind {
	case plugin.KindSink:
		out["Open"], out["Ping"], out["Gap"] = reflect.TypeFor[plugin.Opener](), reflect.TypeFor[plugin.Pinger](), reflect.TypeFor[plugin.GapSink]()
		out["FillHistory"], out["Clients"] = reflect.TypeFor[plugin.HistorySink](), reflect.TypeFor[plugin.ClientSink]()
	case plugin.KindSource:
		out["Campaign"], out["ReadHistory"] = reflect.TypeFor[plugin.Elector](), reflect.TypeFor[plugin.HistorySource]()
	}
	return out
}

// optionMethods are the optional methods of the options of a plugin, by name.
var optionMethods = map[string]reflect.Type{
	"Check": reflect.TypeFor[options.Checker](), "StoresAttempts": reflect.TypeFor[plugin.AttemptStore](), "SimulateClient": reflect.TypeFor[plugin.ClientSimulator](),
	"HistoryID": reflect.TypeFor[plugin.HistoryStore](), "HistoryRange": reflect.TypeFor[plugin.HistoryKeeper](),
}

func (s subject[T]) checkMethods(c *check) {
	opts := optionsOf(c, s.typ, s.reachable)
	i := build(c, s.typ, opts)
	for _, text := range misspelt(reflect.TypeOf(i.impl), optional(s.typ.Kind())) {
		c.Errorf("%s", text)
	}
	for _, text := range misspelt(reflect.TypeOf(opts), optionMethods) {
		c.Errorf("the options: %s", text)
	}
}

// misspelt finds methods of t that look like optional methods, but are never called.
func misspelt(t reflect.Type, names map[string]reflect.Type) (problems []string) {
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		pointer := reflect.PointerTo(t)
		for name := range names {
			if _, has := t.MethodByName(name); !has {
				if _, has = pointer.MethodByName(name); has {
					problems = append(problems, "the method "+name+" has a pointer receiver, and Build returns a value: it is never called")
				}
			}
		}
	}
	for i := range t.NumMethod() {
		m := t.Method(i)
		for name, want := range names {
			if m.Name == name && !t.Implements(want) {
				problems = append(problems, "the method "+name+" does not have the signature of "+want.String()+": it is never called")
				continue
			}
			if _, has := t.MethodByName(name); has || m.Name == name {
				continue
			}
			same := signature(m.Type) == strings.TrimPrefix(want.Method(0).Type.String(), "func")
			d := editDistance(strings.ToLower(m.Name), strings.ToLower(name))
			if d <= 1 && len(name) > 3 || same && (d <= 2 || strings.HasPrefix(m.Name, name) || strings.HasPrefix(m.Name, want.Name())) {
				problems = append(problems, "the method "+m.Name+" is never called: is "+name+" meant?")
			}
		}
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}

// signature returns the type of a method, without its receiver.
func signature(t reflect.Type) string {
	var in, out []reflect.Type
	for i := 1; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	for i := range t.NumOut() {
		out = append(out, t.Out(i))
	}
	return strings.TrimPrefix(reflect.FuncOf(in, out, t.IsVariadic()).String(), "func")
}

// editDistance returns the number of bytes to change, add, remove or swap with the next one.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
