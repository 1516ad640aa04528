package options

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

var validOption = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Lint says what is wrong with an options struct as a plugin's author has written it: names
// that are none, fields without a doc tag or with one that is too long, of a kind that no value can be decoded into, or that are not
// exported, and rules that do not exist. defaults is a pointer to the struct.
func Lint(defaults any) (problems []string) {
	v := reflect.ValueOf(defaults)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return []string{fmt.Sprintf("the options are %T: make them a struct", defaults)}
	}
	return misfits("", v.Elem())
}

func misfits(prefix string, v reflect.Value) (problems []string) {
	problems = misdocumented(prefix, v)
	seen := map[string]bool{}
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		name := f.Tag.Get("koanf")
		at := prefix + name
		say := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("the field %s: ", f.Name)+fmt.Sprintf(format, args...))
		}
		switch {
		case name == "" && f.IsExported() && f.Tag.Get("doc")+f.Tag.Get("rule") != "":
			say("has no koanf tag, so that it is no option")
			continue
		case name == "":
			continue
		case !f.IsExported():
			say("is not exported, so that the option %s cannot be set", at)
			continue
		case !validOption.MatchString(name):
			say("%q is no name of an option: use lower case letters, digits and _", name)
		case seen[name]:
			say("the option %s is there twice", at)
		}
		seen[name] = true
		if field.Kind() == reflect.Struct && !isScalar(field) {
			problems = append(problems, misfits(at+".", field)...)
			continue
		}
		if f.Tag.Get("doc") == "" {
			say("the option %s has no doc tag", at)
		}
		if !decodable(field) {
			say("no value can be decoded into %s", field.Type())
		}
		for part := range strings.SplitSeq(f.Tag.Get("rule"), ",") {
			if rule, _, _ := strings.Cut(part, "="); !rules[rule] {
				say("there is no rule %s", rule)
			}
		}
	}
	return problems
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
		return len(misfits("", v)) == 0
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Interface:
		return true
	}
	return false
}

// rules are the words of a rule tag.
var rules = map[string]bool{"": true, "required": true, "min": true, "max": true, "oneof": true, "scheme": true, "embedded": true}
