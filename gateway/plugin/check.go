package plugin

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
)

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// ReservedOptions returns the names of the options that the router itself reads of a component of this kind. No
// option of a plugin may have such a name.
func ReservedOptions(kind Kind) []string {
	switch kind {
	case KindTransform:
		return []string{"type", "on_error", "collect"}
	case KindSink:
		return []string{"type", "queue", "retry", "breaker", "ordering", "rate", "timeout", "workers", "best_effort", "dead_letter", "key", "leader", "when"}
	}
	return []string{"type", "queue", "retry", "dead_letter", "workers", "best_effort", "timeout", "key", "origin_time", "traceparent", "leader", "when"}
}

// Check returns an error that lists the faults of the types: names that are malformed or used twice, a batch size
// below 1, and commands without a name or a body. taken are the names of the gateway's own commands.
func (s Set) Check(taken ...string) error {
	commands := map[string]string{}
	for _, name := range taken {
		commands[name] = "gateway itself"
	}
	return errors.Join(checkTypes(s.Sources, commands), checkTypes(s.Transforms, commands), checkTypes(s.Sinks, commands))
}

func checkTypes[T any](types []Type[T], commands map[string]string) error {
	var problems []error
	seen := map[string]bool{}
	for i, t := range types {
		report := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("the %s type %q: %w", t.kind, t.name, fmt.Errorf(format, args...)))
		}
		switch {
		case t.build == nil:
			problems = append(problems, fmt.Errorf("the type at index %d was not made by NewSource, NewTransform or NewSink", i))
			continue
		case !validName.MatchString(t.name):
			report("the name is malformed: use up to 63 lower case letters, digits and -, a letter first")
		case seen[t.name]:
			report("the name is used twice: rename one of the types")
		}
		seen[t.name] = true
		if t.bounded && t.maxBatch < 1 {
			report("WithMaxBatch(%d): a Write takes at least 1 event", t.maxBatch)
		}
		if t.bounded && t.kind != KindSink {
			report("WithMaxBatch is for sinks")
		}
		for _, c := range t.commands {
			if of, ok := commands[c.Name]; ok {
				report("the command %q belongs to %s already", c.Name, of)
			} else if !validName.MatchString(c.Name) || c.New == nil {
				report("the command %q has no valid name, or no New", c.Name)
			}
			commands[c.Name] = "the type " + t.name
		}
	}
	return errors.Join(problems...)
}

// optional are the optional methods of plugins by name, and the kind of plugin that has them; "" is for all kinds.
var optional = map[string]struct {
	kind Kind
	is   reflect.Type
}{
	"Open": {KindSink, reflect.TypeFor[Opener]()}, "Ping": {KindSink, reflect.TypeFor[Pinger]()}, "Gap": {KindSink, reflect.TypeFor[GapSink]()},
	"Campaign": {KindSource, reflect.TypeFor[Elector]()}, "ReadHistory": {KindSource, reflect.TypeFor[HistorySource]()}, "FillHistory": {KindSink, reflect.TypeFor[HistorySink]()},
	"Hide": {KindTransform, reflect.TypeFor[Hider]()}, "Prepare": {KindTransform, reflect.TypeFor[Preparer]()},
	"Close": {"", reflect.TypeFor[Closer]()}, "Probe": {"", reflect.TypeFor[Prober]()},
}

// CheckInstance returns an error if an instance that the type has built is nil, has a method with the name of an
// optional one that would never be called, or does not have the capabilities of the type. A method would never
// be called if it has another signature, belongs to another kind, or has a pointer receiver while the plugin is
// a value.
func (t Type[T]) CheckInstance(impl T) error {
	v := reflect.ValueOf(impl)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("the build function of the plugin has returned nil")
	}
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		o := optional[name]
		m, has := v.Type().MethodByName(name)
		_, ofPointer := reflect.PointerTo(v.Type()).MethodByName(name)
		switch {
		case !has && ofPointer:
			return fmt.Errorf("the method %s would never be called: it has a pointer receiver, and the plugin is a %v: build a pointer", name, v.Type())
		case !has:
		case o.kind != "" && o.kind != t.kind:
			return fmt.Errorf("the method %s would never be called: it belongs to a %s, and this is a %s: rename it", name, o.kind, t.kind)
		case !v.Type().Implements(o.is):
			return fmt.Errorf("the method %s would never be called: it has the signature %v: change it to that of plugin.%s, %v", name, v.Method(m.Index).Type(), o.is.Name(), signature(o.is))
		}
	}
	_, elects := any(impl).(Elector)
	switch {
	case elects && !t.Has(ElectsLeader):
		return errors.New("the plugin is an Elector, and its type has no capability ElectsLeader: add With(plugin.ElectsLeader)")
	case !elects && t.Has(ElectsLeader):
		return errors.New("the type has the capability ElectsLeader, and its plugin is no Elector: add a method Campaign")
	}
	return nil
}

// signature returns the type of the first method of an interface.
func signature(t reflect.Type) reflect.Type { return t.Method(0).Type }
