package tap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// maxHide bounds the payloads of which parts are shown, in bytes. Nothing of a larger one is shown.
const maxHide = 1 << 20

// Policy hides in a payload what a later transform hides. A nil Policy hides nothing.
type Policy struct {
	hiders []plugin.Hider
	names  []string // of the hiders
	all    bool     // a transform before a hider may move fields, so that their places are not known
}

// Stage is a transform of a route, as policies need it.
type Stage struct {
	Hider plugin.Hider // nil: the transform hides nothing
	Name  string       // of what Hider hides: another name for other fields, the same after a restart; without commas
	Keeps bool         // the transform has the capability plugin.KeepsFields
}

// Policies returns what is hidden before each stage of a route, and behind the last. Use the first one for an
// event if its stage is not known: it hides the most.
func Policies(stages []Stage) []*Policy {
	at := make([]*Policy, len(stages)+1)
	for i := len(stages) - 1; i >= 0; i-- {
		p := Policy{}
		if next := at[i+1]; next != nil {
			p.hiders, p.names, p.all = append(p.hiders, next.hiders...), append(p.names, next.names...), next.all || !stages[i].Keeps
		}
		if stages[i].Hider != nil {
			p.hiders, p.names = append(p.hiders, stages[i].Hider), append(p.names, stages[i].Name)
		}
		if len(p.hiders) > 0 {
			at[i] = &p
		}
	}
	return at
}

// Join returns a policy that hides what any of the policies hides.
func Join(all ...*Policy) *Policy {
	var joined *Policy
	for _, p := range all {
		switch {
		case p == nil:
		case joined == nil:
			joined = &Policy{p.hiders, p.names, p.all}
		default:
			joined = &Policy{slices.Concat(joined.hiders, p.hiders), slices.Concat(joined.names, p.names), joined.all || p.all}
		}
	}
	return joined
}

// nameAll is in the name of a policy that shows only the names of fields.
const nameAll = "all"

// Name returns a name of what the policy hides, for [Policy.Covers]; "" is nothing.
func (p *Policy) Name() string {
	if p == nil {
		return ""
	}
	names := slices.Clone(p.names)
	if p.all {
		names = append(names, nameAll)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// Covers reports whether the policy hides all that a policy with this name hides. It reports false for a name that it does not know.
func (p *Policy) Covers(name string) bool {
	if name == "" || p != nil && p.all {
		return true
	}
	return p != nil && !slices.ContainsFunc(strings.Split(name, ","), func(part string) bool { return !slices.Contains(p.names, part) })
}

// HideAll is the policy that shows only the names of fields.
var HideAll = &Policy{all: true}

var (
	errPanicked  = errors.New("hidden: the transform that hides fields has panicked")
	errNotObject = errors.New("hidden: a transform of the route hides fields, and the payload is no JSON object")
	errTooLarge  = fmt.Errorf("hidden: a transform of the route hides fields, and the payload is larger than %d bytes", maxHide)
)

var hideAll = func() (e rawjson.Edit) {
	e.Add(rawjson.MustPath("*"), rawjson.Change{Value: func(dst, _ []byte) ([]byte, error) { return append(dst, plugin.Hidden...), nil }})
	return e
}()

// ShowPayload returns a payload as viewers may see it. The error says why they may see nothing of it.
func (p *Policy) ShowPayload(data []byte) (_ []byte, err error) {
	if p == nil {
		return data, nil
	}
	defer func() {
		if v := recover(); v != nil { // of a plugin
			err = errPanicked
		}
	}()
	switch {
	case len(data) > maxHide:
		return nil, errTooLarge
	case !isObject(data):
		return nil, errNotObject
	case p.all:
		return hideAll.Apply(data, 0)
	}
	for _, h := range p.hiders {
		if data, err = h.Hide(data); err != nil {
			return nil, fmt.Errorf("hidden: %w", err)
		}
	}
	return data, nil
}

func isObject(data []byte) bool {
	for _, c := range data {
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		}
		return c == '{'
	}
	return false
}
