package pgjson

import "bytes"

// maxDimensions is the number of dimensions that an array of PostgreSQL may have.
const maxDimensions = 6

// appendArray appends an array, such as {1,NULL}, {{"a b",c},{d,e}} or [0:1]={1,2}.
func (t *Types) appendArray(dst []byte, d *dataType, text []byte) ([]byte, error) {
	s := text
	if len(s) > 0 && s[0] == '[' { // bounds
		_, s, _ = bytes.Cut(s, []byte("="))
	}
	if string(s) == "{}" {
		return append(dst, "[]"...), nil
	}
	for depth := 0; len(s) > 0; {
		if s[0] == '{' {
			if depth++; depth > maxDimensions {
				break
			}
			dst, s = append(dst, '['), s[1:]
			continue
		}
		if depth == 0 {
			break
		}
		var err error
		if dst, s, err = t.appendElement(dst, d, s); err != nil {
			return dst, err
		}
		for depth > 0 && len(s) > 0 && s[0] == '}' {
			depth--
			dst, s = append(dst, ']'), s[1:]
		}
		if depth == 0 && len(s) == 0 {
			return dst, nil
		}
		if depth == 0 || len(s) == 0 || s[0] != d.element.delimiter {
			break
		}
		dst, s = append(dst, ','), s[1:]
	}
	return dst, d.malformed()
}

// appendElement appends the element of the array type d at the begin of s, and returns what follows it.
func (t *Types) appendElement(dst []byte, d *dataType, s []byte) ([]byte, []byte, error) {
	if s[0] == '"' {
		top := len(t.scratch)
		value, rest, ok := t.unquote(s, false)
		if !ok {
			return dst, nil, d.malformed()
		}
		dst, err := t.append(dst, d.element, value)
		t.scratch = t.scratch[:top]
		return dst, rest, err
	}
	end := 0
	for end < len(s) && s[end] != d.element.delimiter && s[end] != '}' {
		if s[end] == '"' || s[end] == '\\' || s[end] == '{' {
			return dst, nil, d.malformed()
		}
		end++
	}
	if end == 0 {
		return dst, nil, d.malformed()
	}
	if string(s[:end]) == "NULL" { // a text NULL has quotes
		return append(dst, "null"...), s[end:], nil
	}
	dst, err := t.append(dst, d.element, s[:end])
	return dst, s[end:], err
}

// appendVector appends a vector, such as 1 2 3.
func (t *Types) appendVector(dst []byte, d *dataType, text []byte) (_ []byte, err error) {
	dst = append(dst, '[')
	for first := true; len(text) > 0; first = false {
		value, rest, more := bytes.Cut(text, []byte(" "))
		if len(value) == 0 || more && len(rest) == 0 {
			return dst, d.malformed()
		}
		if !first {
			dst = append(dst, ',')
		}
		if dst, err = t.append(dst, d.element, value); err != nil {
			return dst, err
		}
		text = rest
	}
	return append(dst, ']'), nil
}
