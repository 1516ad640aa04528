package options

import (
	"fmt"
	"reflect"
	"regexp"
)

var validOption = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Lint returns the faults of an options struct: malformed or repeated names, missing or too long doc
// tags, fields that are not exported or have a type that cannot be decoded, and unknown rules. defaults is a
// pointer to the struct.
func Lint(defaults any) (problems []string) {
	v := reflect.ValueOf(defaults)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return []string{fmt.Sprintf("the options are %T: make them a struct", defaults)}
	}
	return lintStruct("", v.Elem())
}

// lintStruct returns the faults of a struct whose options have the prefix.
func lintStruct(prefix string, v reflect.Value) (problems []string) {
	problems = lintDocs(prefix, v)
	seen := map[string]bool{}
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		name := f.Tag.Get("koanf")
		at := prefix + name
		report := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("the field %s: ", f.Name)+fmt.Sprintf(format, args...))
		}
		switch {
		case embeds(f):
			problems = append(problems, lintStruct(prefix, field)...)
			continue
		case name == "" && f.IsExported() && f.Tag.Get("doc")+f.Tag.Get("rule") != "":
			report("has no koanf tag: add one, or remove the field")
			continue
		case name == "":
			continue
		case !f.IsExported():
			report("is not exported, so the option %s cannot be set: export it", at)
			continue
		case !validOption.MatchString(name):
			report("%q is no valid name of an option: use lower case letters, digits and _", name)
		case seen[name]:
			report("the option %s is defined twice: rename one", at)
		}
		seen[name] = true
		if field.Kind() == reflect.Struct && !isScalar(field) {
			problems = append(problems, lintStruct(at+".", field)...)
			continue
		}
		if f.Tag.Get("doc") == "" {
			report("the option %s has no doc tag", at)
		}
		switch entry, is := entryOf(field); {
		case is && entry.Kind() == reflect.Struct && !isScalar(entry):
			problems = append(problems, lintStruct(at+"[].", entry)...)
		case !decodable(field):
			report("the option %s has the type %s, which is not supported: %s", at, field.Type(), insteadOf(field.Type()))
		}
		if text := lintRule(f.Tag.Get("rule"), field); text != "" {
			report("the option %s: %s", at, text)
		}
	}
	return problems
}

// entryOf returns an empty entry of a list or mapping.
func entryOf(v reflect.Value) (entry reflect.Value, is bool) {
	if _, ok := v.Addr().Interface().(orderedMap); ok {
		return reflect.New(v.Type().Elem()).Elem().FieldByName("Value"), true
	}
	if v.Kind() == reflect.Slice && !isScalar(v) {
		return reflect.New(v.Type().Elem()).Elem(), true
	}
	return reflect.Value{}, false
}

// insteadOf returns a hint for a type that is not supported.
func insteadOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Map:
		return fmt.Sprintf("use options.Map[%s], which keeps the order of the file", t.Elem())
	case reflect.Pointer:
		return fmt.Sprintf("use %s, whose default is in the options that the type returns", t.Elem())
	case reflect.Array:
		return fmt.Sprintf("use []%s with the rules min and max", t.Elem())
	}
	return "use a text, number, bool, list, options.Map, a struct, or a type of package options, or give the type a method UnmarshalText"
}

// decodable reports whether [Decoder] can set a value.
func decodable(v reflect.Value) bool {
	if _, ok := v.Addr().Interface().(orderedMap); ok {
		return decodable(reflect.New(v.Type().Elem()).Elem().FieldByName("Value"))
	}
	if isScalar(v) {
		return true
	}
	switch v.Kind() {
	case reflect.Slice:
		return decodable(reflect.New(v.Type().Elem()).Elem())
	case reflect.Struct:
		return len(lintStruct("", v)) == 0
	case reflect.String, reflect.Bool, reflect.Interface, reflect.Float32, reflect.Float64:
		return true
	}
	return isInteger(v.Kind())
}

// rules are the words of a rule tag.
var rules = map[string]bool{"": true, "required": true, "min": true, "max": true, "oneof": true, "scheme": true, "embedded": true}
