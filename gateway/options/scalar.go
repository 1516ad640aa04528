package options

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// scalar sets v, of a basic kind, strictly from a literal, or from the text of
// an environment variable.
func scalar(raw any, v reflect.Value) error {
	text, expanded := raw.(Expanded)
	switch v.Kind() {
	case reflect.String:
		s, ok := raw.(string)
		if expanded {
			s, ok = string(text), true
		}
		if !ok {
			return fmt.Errorf("must be text, not %s; put it in quotes", describe(raw, false))
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := raw.(bool)
		if expanded {
			parsed, err := strconv.ParseBool(string(text))
			b, ok = parsed, err == nil
		}
		if !ok {
			return fmt.Errorf("must be true or false, not %s", describe(raw, false))
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, ok := toInt(raw)
		if expanded {
			parsed, err := strconv.ParseInt(string(text), 10, 64)
			n, ok = parsed, err == nil
		}
		if !ok {
			return fmt.Errorf("must be an integer, not %s", describe(raw, false))
		}
		v.SetInt(n)
	default:
		panic(fmt.Sprintf("options: fields of type %s are not supported", v.Type()))
	}
	return nil
}

func toInt(raw any) (int64, bool) {
	switch n := raw.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}

// scalarText returns the text of a scalar, for types that read text.
func scalarText(raw any) (string, bool) {
	switch t := raw.(type) {
	case string:
		return t, true
	case Expanded:
		return string(t), true
	case map[string]any, []any:
		return "", false
	}
	return fmt.Sprint(raw), true
}

// describe returns a text for a raw value. It does not repeat values of the environment, or of options that
// may hold a secret.
func describe(raw any, secret bool) string {
	switch t := raw.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		if secret {
			return "a text"
		}
		return fmt.Sprintf("the text %q", t)
	case Expanded:
		return environmentValue
	case bool:
		return fmt.Sprintf("%t", t)
	}
	if secret {
		return "a number"
	}
	return fmt.Sprintf("the number %v", raw)
}

// environmentValue replaces a value from the environment in errors.
const environmentValue = "the value of the environment variable"

// mayBeSecret reports whether an option of type t is a secret, or may hold one.
func mayBeSecret(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[Secret](), reflect.TypeFor[URL](), reflect.TypeFor[File]():
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return mayBeSecret(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && mayBeSecret(f.Type) {
				return true
			}
		}
	}
	return false
}

// textProblem returns the text of err, an error about the text of an option. A parser may repeat parts of
// the text in its errors, which is not allowed for a text from the environment. The errors of URL,
// Secret and File never do.
func textProblem(err error, raw any, v reflect.Value) string {
	reason := err.Error()
	text, expanded := raw.(Expanded)
	if !expanded || mayBeSecret(v.Type()) {
		return reason
	}
	if rest, ok := strings.CutPrefix(reason, strconv.Quote(string(text))); ok { // the rest is the hint
		return environmentValue + rest
	}
	if containsPart(reason, string(text)) {
		return environmentValue + " is not of the type " + typeName(v) + "; it is not shown, because it may be secret"
	}
	return reason
}

// containsPart reports whether reason contains text, or four adjacent bytes of it.
func containsPart(reason, text string) bool {
	const few = 4
	if len(text) < few {
		return strings.Contains(reason, strconv.Quote(text)) || strings.Contains(reason, "`"+text+"`")
	}
	for i := 0; i+few <= len(text); i++ {
		if strings.Contains(reason, text[i:i+few]) {
			return true
		}
	}
	return false
}
