package options

import (
	"fmt"
	"reflect"
)

// Equal reports whether two pointers to options structs of the same type hold the
// same configuration. It compares secrets and URLs by their content, and other types with a String method by
// their text.
func Equal(a, b any) bool {
	return equalValues(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

// equalValues compares two values as [Equal] does.
func equalValues(a, b reflect.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	type revealer interface{ Reveal() string }
	switch x := a.Interface().(type) {
	case revealer:
		return x.Reveal() == b.Interface().(revealer).Reveal()
	case fmt.Stringer:
		return x.String() == b.Interface().(fmt.Stringer).String()
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() && !equalValues(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equalValues(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface()) // a value of any type, as decoded from YAML
}
