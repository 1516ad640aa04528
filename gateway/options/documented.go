package options

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Documented is implemented by options structs whose options need more than the one sentence of the doc tag.
// Docs returns the further sentences by the name of the option, without a full stop at the end.
type Documented interface {
	Docs() map[string]string
}

// docs returns the texts of a struct's method Docs.
func docs(v reflect.Value) map[string]string {
	if d, ok := v.Addr().Interface().(Documented); ok {
		return d.Docs()
	}
	return nil
}

// longestTag is the maximum length of an option's tag in columns, unless most of it is a rule.
const (
	longestTag = 160
	shortDoc   = 80
)

// lintDocs returns the faults of the doc tags and the Docs method of a struct.
func lintDocs(prefix string, v reflect.Value) (problems []string) {
	options := map[string]bool{}
	for _, name := range names(v.Type()) {
		options[name] = true
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("koanf")
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
