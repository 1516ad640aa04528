package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"eventgateway/gateway/rawjson"
)

// kind is the kind of a [value]. Only booleans, numbers and texts are ever equal to another value.
type kind uint8

// The kinds. A value is unknown if a part of its clause could not be evaluated or compared.
const (
	unknown kind = iota
	null         // missing, or null in JSON
	boolean
	numeric
	textual
	listing
	mapping
)

// value is the result of a part of a rule for an event. The zero value is unknown.
type value struct {
	kind    kind
	truth   bool   // of a boolean
	text    []byte // of a text, and of a number in JSON
	items   []value
	members map[string]value
}

// boolValue returns the boolean.
func boolValue(yes bool) value { return value{kind: boolean, truth: yes} }

// is reports whether v is the boolean yes.
func (v value) is(yes bool) bool { return v.kind == boolean && v.truth == yes }

// asBoolean returns v if it is a boolean, else unknown.
func (v value) asBoolean() value {
	if v.kind == boolean {
		return v
	}
	return value{}
}

func negate(v value) value {
	if v.kind == boolean {
		return boolValue(!v.truth)
	}
	return value{}
}

// equals compares two booleans, numbers or texts. The result for other kinds is unknown.
func equals(a, b value) value {
	if a.kind != b.kind {
		return value{}
	}
	switch a.kind {
	case boolean:
		return boolValue(a.truth == b.truth)
	case textual:
		return boolValue(bytes.Equal(a.text, b.text))
	case numeric:
		if order, ok := compareNumbers(a.text, b.text); ok {
			return boolValue(order == 0)
		}
	}
	return value{}
}

// compareBy returns a comparison of two numbers or two texts, which is true if matches accepts their order.
func compareBy(matches func(order int) bool) func(a, b value) value {
	return func(a, b value) value {
		switch {
		case a.kind != b.kind:
		case a.kind == textual:
			return boolValue(matches(bytes.Compare(a.text, b.text)))
		case a.kind == numeric:
			if order, ok := compareNumbers(a.text, b.text); ok {
				return boolValue(matches(order))
			}
		}
		return value{}
	}
}

// contained reports whether a list has an element that is equal to v, or an object a member with the name v. If an
// element cannot be compared, the result is unknown, unless another element is equal.
func contained(v, in value) value {
	switch {
	case v.kind == unknown || v.kind == null:
		return value{}
	case in.kind == listing:
		found := boolValue(false)
		for _, item := range in.items {
			switch e := equals(v, item); {
			case e.is(true):
				return e
			case e.kind == unknown:
				found = value{}
			}
		}
		return found
	case in.kind == mapping && v.kind == textual:
		m, ok := in.members[string(v.text)]
		if ok && m.kind <= null {
			return value{}
		}
		return boolValue(ok)
	}
	return value{}
}

// member returns the member of an object with the name key, or null if there is none. Of a list it returns the element
// with the number key; -1 is the last. Otherwise the result is unknown.
func member(of, key value) value {
	switch {
	case of.kind == mapping && key.kind == textual:
		m, ok := of.members[string(key.text)]
		if !ok {
			return value{kind: null}
		}
		return m
	case of.kind == listing && key.kind == numeric:
		n, err := strconv.Atoi(string(key.text))
		if n < 0 {
			n += len(of.items)
		}
		if err == nil && 0 <= n && n < len(of.items) {
			return of.items[n]
		}
	}
	return value{}
}

// replaced is the character that the decoder writes for bytes that are no UTF-8.
var replaced = []byte("\ufffd")

// textValue returns a text. A text with a replaced character is unknown, because different texts would be equal.
func textValue(b []byte) value {
	if !utf8.Valid(b) || bytes.Contains(b, replaced) {
		return value{}
	}
	return value{kind: textual, text: b}
}

// rawValue returns the value of a JSON text. The result refers to raw.
func rawValue(raw []byte) value {
	switch raw[0] {
	case '"':
		if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
			return textValue(inner)
		}
		return textValue([]byte(rawjson.Text(raw)))
	case 't', 'f':
		return boolValue(raw[0] == 't')
	case 'n':
		return value{kind: null}
	case '[', '{':
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) != nil {
			return value{}
		}
		return goValue(v, false)
	}
	return value{kind: numeric, text: raw}
}

// goValue returns the value of decoded JSON. An empty text in claims is null, because it identifies no user.
func goValue(v any, claims bool) value {
	switch t := v.(type) {
	case nil:
		return value{kind: null}
	case bool:
		return boolValue(t)
	case string:
		if t == "" && claims {
			return value{kind: null}
		}
		return textValue([]byte(t))
	case json.Number:
		return value{kind: numeric, text: []byte(t)}
	case float64:
		return value{kind: numeric, text: strconv.AppendFloat(nil, t, 'g', -1, 64)}
	case int, int64, uint64:
		return value{kind: numeric, text: fmt.Append(nil, t)}
	case []any:
		all := value{kind: listing, items: make([]value, len(t))}
		for i, item := range t {
			all.items[i] = goValue(item, claims)
		}
		return all
	case map[string]any:
		all := value{kind: mapping, members: make(map[string]value, len(t))}
		for name, m := range t {
			all.members[name] = goValue(m, claims)
		}
		return all
	}
	return value{}
}
