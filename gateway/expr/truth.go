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

// The kinds. A value that is unknown is none of the others: what gave it could not be
// evaluated or compared.
const (
	unknown kind = iota
	null         // it is known that there is nothing
	boolean
	numeric
	textual
	listing
	mapping
)

// value is the result of a part of a rule for an event. The zero value is unknown.
type value struct {
	kind    kind
	yes     bool   // of a boolean
	text    []byte // of a text, and of a number as JSON writes it
	items   []value
	members map[string]value
}

// truth returns the boolean.
func truth(yes bool) value { return value{kind: boolean, yes: yes} }

// is reports whether v is the boolean yes.
func (v value) is(yes bool) bool { return v.kind == boolean && v.yes == yes }

// condition returns v where it is a boolean, else unknown.
func (v value) condition() value {
	if v.kind == boolean {
		return v
	}
	return value{}
}

func negate(v value) value {
	if v.kind == boolean {
		return truth(!v.yes)
	}
	return value{}
}

// equals compares two booleans, numbers or texts. All else is unknown.
func equals(a, b value) value {
	if a.kind != b.kind {
		return value{}
	}
	switch a.kind {
	case boolean:
		return truth(a.yes == b.yes)
	case textual:
		return truth(bytes.Equal(a.text, b.text))
	case numeric:
		if order, ok := compareNumbers(a.text, b.text); ok {
			return truth(order == 0)
		}
	}
	return value{}
}

// ordered compares two numbers or two texts, and asks whether their order is right.
func ordered(right func(order int) bool) func(a, b value) value {
	return func(a, b value) value {
		switch {
		case a.kind != b.kind:
		case a.kind == textual:
			return truth(right(bytes.Compare(a.text, b.text)))
		case a.kind == numeric:
			if order, ok := compareNumbers(a.text, b.text); ok {
				return truth(right(order))
			}
		}
		return value{}
	}
}

// contained reports whether a list has an element that is equal to v, or an object a
// member of that name. An element that cannot be compared leaves it unknown, unless another
// is equal.
func contained(v, in value) value {
	switch {
	case v.kind == unknown || v.kind == null:
		return value{}
	case in.kind == listing:
		found := truth(false)
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
		return truth(ok)
	}
	return value{}
}

// member returns the member of an object that a text names, null where there is none; or
// the element of a list that a number names, -1 the last. All else is unknown.
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

// appendKey appends the text that values share which are equal, where a number and the text
// that it is written as are equal, too. It appends nothing for what is equal to nothing.
func appendKey(dst []byte, v value) []byte {
	switch v.kind {
	case textual:
		return append(dst, v.text...)
	case numeric:
		if key, ok := appendNumber(dst, v.text); ok {
			return key
		}
	case boolean: // no text has this byte
		return strconv.AppendBool(append(dst, 0xff), v.yes)
	}
	return dst
}

// replaced is what stands in a decoded text where its bytes were no characters.
var replaced = []byte("\ufffd")

// textValue returns a text. One with a character that was replaced is unknown: different
// ones would look equal.
func textValue(b []byte) value {
	if !utf8.Valid(b) || bytes.Contains(b, replaced) {
		return value{}
	}
	return value{kind: textual, text: b}
}

// rawValue returns the value of JSON. It keeps parts of raw.
func rawValue(raw []byte) value {
	switch raw[0] {
	case '"':
		if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
			return textValue(inner)
		}
		return textValue([]byte(rawjson.Text(raw)))
	case 't', 'f':
		return truth(raw[0] == 't')
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

// goValue returns the value of what JSON was decoded to. In claims an empty text stands for
// nothing: it identifies no one.
func goValue(v any, claims bool) value {
	switch t := v.(type) {
	case nil:
		return value{kind: null}
	case bool:
		return truth(t)
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
