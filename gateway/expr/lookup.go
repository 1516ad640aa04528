package expr

import (
	"slices"

	"github.com/expr-lang/expr/vm/runtime"

	"eventgateway/gateway/event"
)

// lookup is a chain of members that a program reads: order.amount.
type lookup struct {
	root  string // the name that the chain begins with
	steps []step // below payload, or below event
	nodes []int  // of the program's tree: the payload, and the value after each step
}

// step is one member or element of a chain.
type step struct {
	name     string
	index    int
	element  bool
	optional bool // written ?. : a member of nil is nil
}

func (l lookup) same(o lookup) bool { return l.root == o.root && slices.Equal(l.steps, o.steps) }

// property returns the step as a property for the language's runtime.
func (s step) property() any {
	if s.element {
		return s.index
	}
	return s.name
}

// eventFields are the members of event.
var eventFields = []string{"id", "source", "channel", "key", "time", "attrs"}

// get is the function getName. It returns the value of a lookup. A function fails by a panic, which the language's
// machine turns into an error.
func (x *Evaluator) get(args ...any) any {
	n := args[0].(int)
	if v := x.values[n]; v != (unread{}) {
		return v
	}
	v := x.read(&x.program.lookups[n])
	x.values[n] = v
	return v
}

// unread marks a value that was not looked up yet.
type unread struct{}

func (x *Evaluator) read(l *lookup) any {
	if l.root == eventName {
		return readEvent(x.event, l.steps)
	}
	x.find()
	last := len(l.nodes) - 1
	if s := x.spans[l.nodes[last]]; s.Found() {
		return decode(s.Of(x.event.Data))
	}
	at := last - 1
	for !x.spans[l.nodes[at]].Found() {
		at--
	}
	outer := x.spans[l.nodes[at]].Of(x.event.Data)
	var v any
	switch {
	case outer[0] == '{' && !l.steps[at].element, at == 0 && l.root != payloadName: // the object has no such member
		at++
	default:
		v = decode(outer)
	}
	return fetch(v, l.steps[at:])
}

// find finds the spans of all lookups of the program, once for each event.
func (x *Evaluator) find() {
	if x.found {
		return
	}
	if err := x.program.tree.Find(x.event.Data, x.spans); err != nil {
		x.payloadErr = err
		panic(err)
	}
	x.found = true
}

// fetch returns the value that steps lead to from v, as the language evaluates them.
func fetch(v any, steps []step) any {
	for _, s := range steps {
		if s.optional && v == nil {
			return nil
		}
		v = runtime.Fetch(v, s.property())
	}
	return v
}

func readEvent(ev *event.Event, steps []step) any {
	if len(steps) == 0 {
		all := make(map[string]any, len(eventFields))
		for _, name := range eventFields {
			all[name] = eventField(ev, name)
		}
		return all
	}
	if steps[0].name == "attrs" && len(steps) > 1 && !steps[1].element {
		var v any
		if text, ok := ev.Attr(steps[1].name); ok {
			v = text
		}
		return fetch(v, steps[2:])
	}
	return fetch(eventField(ev, steps[0].name), steps[1:])
}

func eventField(ev *event.Event, name string) any {
	switch name {
	case "id":
		return ev.ID
	case "source":
		return ev.Source
	case "channel":
		return ev.Channel
	case "key":
		return ev.Key
	case "time":
		return ev.Time
	}
	attrs := make(map[string]any, len(ev.Attrs))
	for i := len(ev.Attrs) - 1; i >= 0; i-- { // the first of a name counts, as for Event.Attr
		attrs[ev.Attrs[i].Name] = ev.Attrs[i].Value
	}
	return attrs
}
