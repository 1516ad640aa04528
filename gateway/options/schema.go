package options

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Schema returns the JSON Schema (2020-12) of a mapping with the options of structs, as [Decoder.Decode] decodes it: their types, rules,
// defaults and documentation. Each of defaults is a pointer to a struct that holds the defaults. A Check method, and bounds
// of durations and sizes, are no part of it.
func Schema(defaults ...any) map[string]any {
	properties, required := map[string]any{}, []string{}
	var add func(v reflect.Value)
	add = func(v reflect.Value) {
		more := docs(v)
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, rule := f.Tag.Get("koanf"), f.Tag.Get("rule")
			if embeds(f) {
				add(v.Field(i))
			}
			if name == "" {
				continue
			}
			s := valueSchema(v.Field(i), rule)
			if text := describeOption(f.Tag.Get("doc"), more[name], v.Field(i), rule); text != "" {
				s["description"] = text
			}
			if value := schemaDefault(v.Field(i)); value != nil {
				s["default"] = value
			}
			properties[name] = s
			if ruleProblem(rule, v.Field(i), false) != "" { // the default is not allowed
				required = append(required, name)
			}
		}
	}
	for _, d := range defaults {
		add(reflect.ValueOf(d).Elem())
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		slices.Sort(required)
		s["required"] = required
	}
	return s
}

// Enumerated is implemented by types of options whose text is one of a few, also as values of a mapping.
type Enumerated interface {
	encoding.TextUnmarshaler
	Values() []string
}

// SchemaVariable returns the schema of a text with a variable, such as ${PORT:-8080}, which may stand for any value.
func SchemaVariable() map[string]any { return map[string]any{"type": "string", "pattern": `\$\{`} }

// orVariable returns the schema of what s allows, or a text with a variable.
func orVariable(s map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{s, SchemaVariable()}}
}

// The texts of a duration and of a size; see the methods UnmarshalText.
const (
	durationPattern = `^(0|[0-9]+d|\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
	sizePattern     = `^\s*[0-9]+\s*(KiB|MiB|GiB|KB|MB|GB|B)?\s*$`
)

// valueSchema returns the schema of the value of an option.
func valueSchema(v reflect.Value, rule string) map[string]any {
	rules := map[string]string{}
	for part := range strings.SplitSeq(rule, ",") {
		name, arg, _ := strings.Cut(part, "=")
		rules[name] = arg
	}
	switch t := v.Addr().Interface().(type) {
	case *Duration:
		return orVariable(map[string]any{"anyOf": []any{map[string]any{"type": "string", "pattern": durationPattern}, map[string]any{"const": 0}}})
	case *Size:
		return orVariable(map[string]any{"anyOf": []any{map[string]any{"type": "string", "pattern": sizePattern}, map[string]any{"type": "integer", "minimum": 0}}})
	case *URL:
		return urlSchema(rules)
	case *Secret, *File, *Network:
		return map[string]any{"type": "string"}
	case orderedMap:
		s := map[string]any{"type": "object", "additionalProperties": valueSchema(reflect.New(v.Type().Elem()).Elem().FieldByName("Value"), "")}
		addBounds(s, rules, "minProperties", "maxProperties")
		return s
	case Enumerated:
		return orVariable(map[string]any{"enum": textOrNumber(t.Values())})
	case encoding.TextUnmarshaler:
		if values, ok := rules["oneof"]; ok {
			return orVariable(map[string]any{"enum": textOrNumber(strings.Split(values, "|"))})
		}
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	}
	switch v.Kind() {
	case reflect.Struct:
		return Schema(v.Addr().Interface())
	case reflect.Slice:
		s := map[string]any{"type": "array", "items": valueSchema(reflect.New(v.Type().Elem()).Elem(), "")}
		addBounds(s, rules, "minItems", "maxItems")
		return orVariable(s)
	case reflect.Bool:
		return orVariable(map[string]any{"type": "boolean"})
	case reflect.Float32, reflect.Float64:
		s := map[string]any{"type": "number"}
		addBounds(s, rules, "minimum", "maximum")
		return orVariable(s)
	case reflect.Interface:
		return map[string]any{}
	}
	if isInteger(v.Kind()) {
		s := map[string]any{"type": "integer"}
		if v.CanUint() {
			s["minimum"] = 0
		}
		addBounds(s, rules, "minimum", "maximum")
		return orVariable(s)
	}
	if values, ok := rules["oneof"]; ok {
		return orVariable(map[string]any{"enum": strings.Split(values, "|")})
	}
	s := map[string]any{"type": "string"}
	if rules["max"] == "" && rules["min"] == "" {
		return s
	}
	addBounds(s, rules, "", "maxLength") // a character has one byte at least; a bound from below cannot be converted
	return orVariable(s)
}

// textOrNumber returns texts, and the numbers as which YAML reads them without quotes.
func textOrNumber(texts []string) (values []any) {
	for _, text := range texts {
		values = append(values, text)
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			values = append(values, n)
		}
	}
	return values
}

// addBounds adds the rules min and max to s under other names; an empty name leaves one out.
func addBounds(s map[string]any, rules map[string]string, low, high string) {
	for name, as := range map[string]string{"min": low, "max": high} {
		if n, err := strconv.ParseInt(rules[name], 10, 64); err == nil && as != "" {
			s[as] = n
		} else if n, err := strconv.ParseFloat(rules[name], 64); err == nil && as != "" {
			s[as] = n
		}
	}
}

// urlSchema returns the schema of a URL.
func urlSchema(rules map[string]string) map[string]any {
	s := map[string]any{"type": "string"}
	schemes, ok := rules["scheme"]
	if !ok {
		return s
	}
	pattern := `^$|^(` + schemes + `)://|\$\{`
	if _, ok := rules["embedded"]; ok {
		pattern += `|^embedded$`
	}
	s["pattern"] = pattern
	return s
}

// describeOption returns the documentation of an option: one sentence, more of them, and what the schema of its value cannot say.
func describeOption(doc, more string, v reflect.Value, rule string) string {
	if more != "" {
		doc += ". " + more
	}
	switch v.Interface().(type) {
	case Duration, Size:
		for part := range strings.SplitSeq(rule, ",") {
			switch name, arg, _ := strings.Cut(part, "="); name {
			case "min":
				doc += ". At least " + arg
			case "max":
				doc += ". At most " + arg
			}
		}
	}
	return doc
}

// schemaDefault returns the default of an option as JSON has it, nil where it has none.
func schemaDefault(v reflect.Value) any {
	switch {
	case v.Kind() == reflect.Struct && !isScalar(v):
		return nil
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case zeroCounts(v) && v.CanInt():
		return v.Int()
	case zeroCounts(v) && v.CanUint():
		return v.Uint()
	case zeroCounts(v):
		return v.Float()
	case isEmpty(v):
		return nil
	case v.Kind() == reflect.Slice:
		var items []any
		for i := range v.Len() {
			if v.Index(i).Kind() == reflect.Struct && !isScalar(v.Index(i)) {
				return nil // a mapping, or a list of structs
			}
			items = append(items, fmt.Sprint(v.Index(i).Interface()))
		}
		return items
	case v.Kind() == reflect.Interface:
		return nil
	}
	return fmt.Sprint(v.Interface())
}
