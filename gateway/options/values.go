package options

import (
	"fmt"
	"reflect"
)

// Value is an option with a value that operators may see.
type Value struct {
	Row        // its Default is that of the type
	Value any  // text, a number, true or false, or a list or map of these
	Set   bool // it differs from its default
}

// Values returns the options of a pointer to a struct, in the order of [Rows]; defaults points to one of the same type with the
// defaults. Secrets are ***, and URLs have no passwords. redact replaces what else must not be shown in each text.
func Values(opts, defaults any, redact func(text string) string) []Value {
	rows, have, had := Rows(defaults), leaves(reflect.ValueOf(opts).Elem(), nil), leaves(reflect.ValueOf(defaults).Elem(), nil)
	out := make([]Value, len(rows))
	for i, row := range rows {
		row.Default = redact(row.Default)
		out[i] = Value{Row: row, Value: visible(have[i], redact), Set: !equalValues(have[i], had[i])}
	}
	return out
}

// leaves appends the fields of a struct that are options, as rows does.
func leaves(v reflect.Value, out []reflect.Value) []reflect.Value {
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		switch {
		case embeds(f):
			out = leaves(field, out)
		case f.Tag.Get("koanf") == "":
		case field.Kind() == reflect.Struct && !isScalar(field):
			out = leaves(field, out)
		default:
			out = append(out, field)
		}
	}
	return out
}

// visible returns a value as operators may see it.
func visible(v reflect.Value, redact func(string) string) any {
	switch x := v.Interface().(type) {
	case Secret:
		return x.String()
	case fmt.Stringer:
		return redact(x.String())
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int64:
		return v.Int()
	case reflect.Float64:
		return v.Float()
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return visible(v.Elem(), redact)
	case reflect.Map:
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			out[redact(fmt.Sprint(key.Interface()))] = visible(v.MapIndex(key), redact)
		}
		return out
	case reflect.Slice:
		return visibleList(v, redact)
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				name := f.Tag.Get("koanf")
				if name == "" {
					name = f.Name
				}
				out[name] = visible(v.Field(i), redact)
			}
		}
		return out
	}
	return redact(fmt.Sprint(v.Interface()))
}

// visibleList returns a list, or a [Map] as a map.
func visibleList(v reflect.Value, redact func(string) string) any {
	if reflect.PointerTo(v.Type()).Implements(reflect.TypeFor[orderedMap]()) {
		out := map[string]any{}
		for i := range v.Len() {
			out[redact(v.Index(i).FieldByName("Key").String())] = visible(v.Index(i).FieldByName("Value"), redact)
		}
		return out
	}
	out := make([]any, v.Len())
	for i := range out {
		out[i] = visible(v.Index(i), redact)
	}
	return out
}
