package options

import (
	"fmt"
	"math"
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
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, ok := toInt(raw)
		if expanded {
			parsed, err := strconv.ParseInt(string(text), 10, 64)
			n, ok = parsed, err == nil
		}
		if !ok || v.OverflowInt(n) {
			return fmt.Errorf("must be an integer%s, not %s", rangeOf(v), describe(raw, false))
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, ok := toUint(raw)
		if expanded {
			parsed, err := strconv.ParseUint(string(text), 10, 64)
			n, ok = parsed, err == nil
		}
		if !ok || v.OverflowUint(n) {
			return fmt.Errorf("must be an integer%s, not %s", rangeOf(v), describe(raw, false))
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		n, ok := toFloat(raw)
		if expanded {
			parsed, err := strconv.ParseFloat(string(text), 64)
			n, ok = parsed, err == nil
		}
		if !ok || math.IsNaN(n) || math.IsInf(n, 0) || v.OverflowFloat(n) {
			return fmt.Errorf("must be a number, not %s", describe(raw, false))
		}
		v.SetFloat(n)
	default: // Lint has refused the type before
		return fmt.Errorf("cannot be set: the plugin has an option of the type %s, which is not supported", v.Type())
	}
	return nil
}

// rangeOf returns a text with the range of an integer, "" for one of 64 bits with a sign.
func rangeOf(v reflect.Value) string {
	bits := v.Type().Bits()
	switch v.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if bits == 64 {
			return " of at least 0"
		}
		return fmt.Sprintf(" from 0 to %d", uint64(1)<<bits-1)
	}
	if bits == 64 {
		return ""
	}
	return fmt.Sprintf(" from %d to %d", -(int64(1) << (bits - 1)), int64(1)<<(bits-1)-1)
}

func toUint(raw any) (uint64, bool) {
	if n, ok := raw.(uint64); ok { // YAML reads numbers above the highest int64 so
		return n, true
	}
	n, ok := toInt(raw)
	return uint64(max(n, 0)), ok && n >= 0
}

func toFloat(raw any) (float64, bool) {
	if n, ok := raw.(float64); ok {
		return n, true
	}
	n, ok := toInt(raw)
	return float64(n), ok
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
