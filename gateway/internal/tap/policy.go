package tap

import (
	"errors"
	"fmt"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// maxHide bounds the payloads of which parts are shown, in bytes. Nothing of a larger one is shown.
const maxHide = 1 << 20

// Policy hides in a payload what a later transform hides. A nil Policy hides nothing.
type Policy struct {
	hiders []plugin.Hider
	all    bool // a transform before a hider may move fields, so that their places are not known
}

// Stage is a transform of a route, as policies need it.
type Stage struct {
	Hider plugin.Hider // nil: the transform hides nothing
	Keeps bool         // the transform has the capability plugin.KeepsFields
}

// Policies returns what is hidden before each stage of a route, and behind the last. Use the first one for an
// event if its stage is not known: it hides the most.
func Policies(stages []Stage) []*Policy {
	at := make([]*Policy, len(stages)+1)
	for i := len(stages) - 1; i >= 0; i-- {
		p := Policy{}
		if next := at[i+1]; next != nil {
			p.hiders, p.all = append(p.hiders, next.hiders...), next.all || !stages[i].Keeps
		}
		if stages[i].Hider != nil {
			p.hiders = append(p.hiders, stages[i].Hider)
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
			joined = &Policy{p.hiders, p.all}
		default:
			joined = &Policy{append(joined.hiders[:len(joined.hiders):len(joined.hiders)], p.hiders...), joined.all || p.all}
		}
	}
	return joined
}

// HideAll is the policy that shows only the names of fields.
var HideAll = &Policy{all: true}

// ShowPayload returns a payload as viewers may see it. The error says why they may see nothing of it.
func (p *Policy) ShowPayload(data []byte) ([]byte, error) { return p.show(data) }

var (
	errPanicked  = errors.New("hidden: the transform that hides fields has panicked")
	errNotObject = errors.New("hidden: a transform of the route hides fields, and the payload is no JSON object")
	errTooLarge  = fmt.Errorf("hidden: a transform of the route hides fields, and the payload is larger than %d bytes", maxHide)
)

var hideAll = func() (e rawjson.Edit) {
	e.Add(rawjson.MustPath("*"), rawjson.Change{Value: func(dst, _ []byte) ([]byte, error) { return append(dst, plugin.Hidden...), nil }})
	return e
}()

// show returns a payload as viewers may see it. The error says why they may see nothing of it.
func (p *Policy) show(data []byte) (_ []byte, err error) {
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
