package pgjson

import "fmt"

// appendComposite appends a composite value, such as (1,,"a ""b"""). A field without text is NULL.
func (t *Types) appendComposite(dst []byte, d *dataType, text []byte) ([]byte, error) {
	if string(text) == "()" && len(d.attributes) == 0 {
		return append(dst, "{}"...), nil
	}
	if len(text) == 0 || text[0] != '(' {
		return dst, d.malformed()
	}
	dst = append(dst, '{')
	s := text[1:]
	for i := range d.attributes {
		a := &d.attributes[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, a.key...)
		var err error
		if dst, s, err = t.appendField(dst, d, a.dataType, s); err != nil {
			return dst, err
		}
		if len(s) == 1 && s[0] == ')' {
			return append(dst, '}'), nil
		}
		if len(s) == 0 || s[0] != ',' {
			return dst, d.malformed()
		}
		s = s[1:]
	}
	return dst, fmt.Errorf("cannot write a value of the type %s as JSON: it has more fields than the type has attributes, which are %d: load the type again", d.name, len(d.attributes))
}

// appendField appends the field at the begin of s, which is of the type field in the composite type d. It returns what follows
// the field.
func (t *Types) appendField(dst []byte, d, field *dataType, s []byte) ([]byte, []byte, error) {
	if len(s) > 0 && s[0] == '"' {
		top := len(t.scratch)
		value, rest, ok := t.unquote(s, true)
		if !ok {
			return dst, nil, d.malformed()
		}
		dst, err := t.append(dst, field, value)
		t.scratch = t.scratch[:top]
		return dst, rest, err
	}
	end := 0
	for end < len(s) && s[end] != ',' && s[end] != ')' {
		if s[end] == '"' || s[end] == '\\' || s[end] == '(' {
			return dst, nil, d.malformed()
		}
		end++
	}
	if end == 0 {
		return append(dst, "null"...), s, nil
	}
	dst, err := t.append(dst, field, s[:end])
	return dst, s[end:], err
}

// unquote returns the text between the quote at the begin of s and the next one, without its escapes, and what follows. A byte behind
// a backslash stands for itself. With doubled, two quotes stand for one. The text is valid until the caller resets the length of
// scratch.
func (t *Types) unquote(s []byte, doubled bool) (text, rest []byte, ok bool) {
	s = s[1:]
	top, escaped := len(t.scratch), false
	for {
		n := 0
		for n < len(s) && s[n] != '"' && s[n] != '\\' {
			n++
		}
		switch {
		case n == len(s):
			return nil, nil, false
		case s[n] == '\\' && n+1 == len(s):
			return nil, nil, false
		case s[n] == '\\' || doubled && n+1 < len(s) && s[n+1] == '"':
			t.scratch = append(append(t.scratch, s[:n]...), s[n+1])
			s, escaped = s[n+2:], true
		case escaped:
			t.scratch = append(t.scratch, s[:n]...)
			return t.scratch[top:], s[n+1:], true
		default:
			return s[:n], s[n+1:], true
		}
	}
}
