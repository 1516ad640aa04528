package options

import (
	"fmt"
	"reflect"
	"strconv"
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
			return fmt.Errorf("must be text, not %s; put it in quotes", describe(raw))
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := raw.(bool)
		if expanded {
			parsed, err := strconv.ParseBool(string(text))
			b, ok = parsed, err == nil
		}
		if !ok {
			return fmt.Errorf("must be true or false, not %s", describe(raw))
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, ok := toInt(raw)
		if expanded {
			parsed, err := strconv.ParseInt(string(text), 10, 64)
			n, ok = parsed, err == nil
		}
		if !ok {
			return fmt.Errorf("must be an integer, not %s", describe(raw))
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

// describe names a raw value without repeating what came from the environment,
// which may be secret.
func describe(raw any) string {
	switch t := raw.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("the text %q", t)
	case Expanded:
		return "what the environment variable holds"
	case bool:
		return fmt.Sprintf("%t", t)
	}
	return fmt.Sprintf("the number %v", raw)
}
