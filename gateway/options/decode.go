package options

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Expanded is a value that came, at least in part, from an environment
// variable. It is text, read by the option's type: "8080" may be an integer,
// "a,b" a list.
type Expanded string

// Invalid stands for a value whose problem was reported before decoding.
type Invalid struct{}

// Checker is implemented by options structs whose options depend on each
// other. Check is called after all options were decoded without a problem. It calls report with the
// name of an option, or "" for the component as a whole, and the problem.
type Checker interface {
	Check(report func(option, text string))
}

// Decoder decodes the values of a configuration into structs, and collects all problems.
type Decoder struct {
	// Locate returns the positions of a path's key and value in the file; nil if there is no file.
	Locate   func(path string) (key, value Pos)
	Problems Problems

	invalid int // the number of Invalid values so far
}

// Report adds a problem at the value of path, or at its key.
func (d *Decoder) Report(path string, atKey bool, format string, args ...any) {
	p := Problem{Path: path, Text: fmt.Sprintf(format, args...)}
	if d.Locate != nil {
		key, value := d.Locate(path)
		p.Pos = value
		if atKey {
			p.Pos = key
		}
	}
	d.Problems = append(d.Problems, p)
}

// maxHints is up to how many problems similar names are searched for: with thousands of names each search
// takes long, and [Problems] shows fewer.
const maxHints = 200

// UnknownName returns the text of a problem as the function [UnknownName] does. If there are many problems
// already, it suggests no name and does not call known.
func (d *Decoder) UnknownName(what, got string, known func() []string) string {
	if len(d.Problems) >= maxHints {
		return "unknown " + what
	}
	return UnknownName(what, got, known())
}

// Decode decodes raw, which consists of maps, lists, scalars and [Expanded], into dsts, pointers to structs
// that hold the defaults. Several structs share one mapping; a key that none of them has is a problem.
func (d *Decoder) Decode(path string, raw any, dsts ...any) {
	m, ok := raw.(map[string]any)
	if !ok && raw != nil {
		d.Report(path, false, "must be a mapping of options, not %s", describe(raw, slices.ContainsFunc(dsts, func(dst any) bool { return mayBeSecret(reflect.TypeOf(dst)) })))
		return
	}
	before := len(d.Problems) + d.invalid
	var known []string
	for _, dst := range dsts {
		known = append(known, names(reflect.TypeOf(dst).Elem())...)
	}
	for _, key := range d.Keys(path, m) {
		if !slices.Contains(known, key) {
			d.Report(Join(path, key), true, "%s", d.UnknownName("option", key, func() []string { return known }))
		}
	}
	for _, dst := range dsts {
		d.fields(path, m, reflect.ValueOf(dst).Elem())
	}
	for _, dst := range dsts {
		if c, ok := dst.(Checker); ok && len(d.Problems)+d.invalid == before {
			c.Check(func(option, text string) { d.Report(Join(path, option), false, "%s", text) })
		}
	}
}

// Join appends a key to a dotted path.
func Join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}

func (d *Decoder) fields(path string, m map[string]any, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, rule := f.Tag.Get("koanf"), f.Tag.Get("rule")
		if embeds(f) {
			d.fields(path, m, v.Field(i))
			continue
		}
		if name == "" {
			continue
		}
		at := Join(path, name)
		value, given := m[name]
		if given && !d.value(at, value, v.Field(i)) {
			continue
		}
		_, expanded := value.(Expanded)
		if text := ruleProblem(rule, v.Field(i), expanded); text != "" {
			d.Report(at, false, "%s", text)
		}
	}
}

// embeds reports whether a field is an embedded struct, whose options are those of the struct around it.
func embeds(f reflect.StructField) bool {
	return f.Anonymous && f.Type.Kind() == reflect.Struct && f.IsExported() && f.Tag.Get("koanf") == ""
}

// Keys returns the keys of the mapping at path in the order of the file.
func (d *Decoder) Keys(path string, m map[string]any) []string {
	type at struct {
		key string
		pos Pos
	}
	order := make([]at, 0, len(m))
	for k := range m {
		a := at{key: k}
		if d.Locate != nil {
			a.pos, _ = d.Locate(Join(path, k))
		}
		order = append(order, a)
	}
	slices.SortFunc(order, func(a, b at) int {
		return cmp.Or(cmp.Compare(a.pos.Line, b.pos.Line), cmp.Compare(a.pos.Col, b.pos.Col), cmp.Compare(a.key, b.key))
	})
	keys := make([]string, len(order))
	for i, a := range order {
		keys[i] = a.key
	}
	return keys
}

// value decodes raw into v and reports whether it was well-formed.
func (d *Decoder) value(path string, raw any, v reflect.Value) bool {
	if raw == (Invalid{}) {
		d.invalid++
		return false
	}
	if raw == nil {
		d.Report(path, false, "has no value; give one, or leave the option out")
		return false
	}
	if v.Kind() == reflect.Interface { // the caller decodes it
		v.Set(reflect.ValueOf(raw))
		return true
	}
	before, secret := len(d.Problems), mayBeSecret(v.Type())
	switch t := v.Addr().Interface().(type) {
	case orderedMap:
		m, ok := raw.(map[string]any)
		if !ok {
			d.Report(path, false, "must be a mapping, not %s", describe(raw, secret))
			return false
		}
		t.reset()
		for _, key := range d.Keys(path, m) {
			d.value(Join(path, key), m[key], reflect.ValueOf(t.add(key)).Elem())
		}
		return len(d.Problems) == before
	case encoding.TextUnmarshaler:
		text, ok := scalarText(raw)
		if !ok {
			d.Report(path, false, "must be one value, not %s", describe(raw, secret))
			return false
		}
		if needsQuotes(t, raw) { // YAML has changed the text: 0123 becomes 83, 1e3 becomes 1000
			d.Report(path, false, "must be text, not %s; put it in quotes", describe(raw, secret))
			return false
		}
		if err := t.UnmarshalText([]byte(text)); err != nil {
			d.Report(path, false, "%s", textProblem(err, raw, v))
			return false
		}
		if u, ok := t.(*URL); ok {
			_, u.fromEnv = raw.(Expanded)
		}
		return true
	}
	switch v.Kind() {
	case reflect.Struct:
		d.Decode(path, raw, v.Addr().Interface())
	case reflect.Slice:
		d.list(path, raw, v)
	default:
		if err := scalar(raw, v); err != nil {
			d.Report(path, false, "%v", err)
		}
	}
	return len(d.Problems) == before
}

// needsQuotes reports whether t is text that YAML has read as something else.
func needsQuotes(t any, raw any) bool {
	switch t.(type) {
	case *Secret, *URL:
		_, text := raw.(string)
		_, expanded := raw.(Expanded)
		return !text && !expanded
	}
	return false
}

func (d *Decoder) list(path string, raw any, v reflect.Value) {
	if text, ok := raw.(Expanded); ok {
		var items []any
		for item := range strings.SplitSeq(string(text), ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, Expanded(item))
			}
		}
		raw = items
	}
	items, ok := raw.([]any)
	if !ok {
		secret := mayBeSecret(v.Type())
		example, got := "[a, b]", describe(raw, secret)
		if text, ok := raw.(string); ok {
			example = "[" + text + "]"
		}
		if secret {
			example = "[...]"
		}
		d.Report(path, false, "must be a list, not %s; write %s", got, example)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i))
	}
	v.Set(out)
}
