package options

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Documented is an options struct, or one within it, with more to say about its options than their
// doc tags, which hold the first sentence each. Docs returns the sentences behind it, without a full stop at
// the end, by the options' names in this struct.
type Documented interface {
	Docs() map[string]string
}

// docs returns what a struct has to say beside its doc tags.
func docs(v reflect.Value) map[string]string {
	if d, ok := v.Addr().Interface().(Documented); ok {
		return d.Docs()
	}
	return nil
}

// longestTag is how many columns the tag of an option may have. One of more is not read by people, but where
// most of it is a rule.
const (
	longestTag = 160
	shortDoc   = 80
)

// misdocumented says what is wrong with the texts of a struct.
func misdocumented(prefix string, v reflect.Value) (problems []string) {
	options := map[string]bool{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("koanf")
		options[name] = true
		if len(f.Tag) > longestTag && len(f.Tag.Get("doc")) > shortDoc {
			problems = append(problems, fmt.Sprintf("the field %s: the tag of the option %s has %d columns: keep one sentence, and put the rest into a method Docs (options.Documented)", f.Name, prefix+name, len(f.Tag)))
		}
	}
	more := docs(v)
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if !options[name] {
			problems = append(problems, fmt.Sprintf("Docs has a text for %s, which is no option", prefix+name))
		}
	}
	return problems
}
