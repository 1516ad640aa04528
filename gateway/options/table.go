package options

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// Row is one option in a table of a README.
type Row struct{ Name, Type, Default, Doc string }

// Rows returns the options of a pointer to a struct that holds the defaults;
// nested structs are flattened: queue.size.
func Rows(defaults any) []Row { return rows("", reflect.ValueOf(defaults).Elem()) }

func rows(prefix string, v reflect.Value) []Row {
	var out []Row
	more := docs(v)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("koanf")
		if embeds(f) {
			out = append(out, rows(prefix, v.Field(i))...)
			continue
		}
		if name == "" {
			continue
		}
		field := v.Field(i)
		if field.Kind() == reflect.Struct && !isScalar(field) {
			out = append(out, rows(prefix+name+".", field)...)
			continue
		}
		row := Row{Name: prefix + name, Type: typeName(field), Doc: f.Tag.Get("doc"), Default: defaultText(field)}
		if text := more[name]; text != "" {
			row.Doc += ". " + text
		}
		for part := range strings.SplitSeq(f.Tag.Get("rule"), ",") {
			switch rule, arg, _ := strings.Cut(part, "="); rule {
			case "required":
				if row.Default == "" {
					row.Default = "required"
				}
			case "oneof":
				row.Type = "`" + strings.ReplaceAll(arg, "|", "` `") + "`"
			}
		}
		out = append(out, row)
		out = append(out, rowsOfEntries(row.Name, field)...)
	}
	return out
}

// rowsOfEntries returns the options of the structs in a list (items[].name) or in a mapping (users.*.role).
func rowsOfEntries(name string, v reflect.Value) []Row {
	entry, suffix := reflect.Value{}, ""
	if _, ok := v.Addr().Interface().(orderedMap); ok {
		entry, suffix = reflect.New(v.Type().Elem()).Elem().FieldByName("Value"), ".*"
	} else if v.Kind() == reflect.Slice {
		entry, suffix = reflect.New(v.Type().Elem()).Elem(), "[]"
	}
	if !entry.IsValid() || isScalar(entry) {
		return nil
	}
	_, named := entry.Interface().(interface{ OptionType() string })
	switch {
	case named: // the documentation of the option describes it
		return nil
	case entry.Kind() == reflect.Struct:
		return rows(name+suffix+".", entry)
	}
	return rowsOfEntries(name+suffix, entry)
}

// Markdown returns rows as the table of a plugin's README.
func Markdown(rows []Row) string {
	var b strings.Builder
	b.WriteString("| option | type | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, r := range rows {
		def := r.Default
		if def != "" && def != "required" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, r.Type, def, r.Doc)
	}
	return b.String()
}

// Keys returns the names of the options of a struct, without those of structs within it.
// defaults is a pointer to it.
func Keys(defaults any) []string {
	if v := reflect.ValueOf(defaults); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		return names(v.Type().Elem())
	}
	return nil
}

func names(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if embeds(t.Field(i)) {
			out = append(out, names(t.Field(i).Type)...)
		}
		if name := t.Field(i).Tag.Get("koanf"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func isScalar(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

func typeName(v reflect.Value) string {
	if t, ok := v.Interface().(interface{ OptionType() string }); ok {
		return t.OptionType()
	}
	if t, ok := v.Addr().Interface().(Enumerated); ok {
		return "`" + strings.Join(t.Values(), "` `") + "`"
	}
	if _, ok := v.Addr().Interface().(orderedMap); ok {
		entry := reflect.New(v.Type().Elem()).Elem()
		return "mapping of " + plural(typeName(entry.FieldByName("Value")))
	}
	switch v.Kind() {
	case reflect.Slice:
		return "list of " + plural(typeName(reflect.New(v.Type().Elem()).Elem()))
	case reflect.Bool:
		return "true or false"
	case reflect.Interface:
		return "anything"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Struct:
		return "mapping"
	}
	if isInteger(v.Kind()) {
		return "integer"
	}
	return "text"
}

// plural returns the name of the type of the entries of a list or mapping.
func plural(name string) string {
	if name == "mapping" {
		return "mappings"
	}
	return name
}

func isInteger(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Uint64 }

// zeroCounts reports whether 0 is a value like any other, and not a missing one.
func zeroCounts(v reflect.Value) bool {
	if isScalar(v) {
		return false
	}
	return v.Kind() == reflect.Bool || v.Kind() == reflect.Float32 || v.Kind() == reflect.Float64 || isInteger(v.Kind()) && v.Kind() != reflect.Int64
}

func defaultText(v reflect.Value) string {
	if isEmpty(v) && !zeroCounts(v) {
		return ""
	}
	if v.Kind() == reflect.Slice {
		items := make([]string, v.Len())
		for i := range items {
			items[i] = fmt.Sprint(v.Index(i).Interface())
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// EmbeddedURL is a URL option that may be the word "embedded".
type EmbeddedURL struct {
	Option string
	Server string // as its rule embedded= names it
	URL    *URL
}

// EmbeddedURLs returns the URLs of an options struct that have a rule embedded=. opts is a pointer to the struct.
func EmbeddedURLs(opts any) []EmbeddedURL { return embeddedURLs("", reflect.ValueOf(opts).Elem(), nil) }

// embeddedURLs appends the URLs of a struct, and of the structs in it, to out. prefix is the option that the struct is.
func embeddedURLs(prefix string, v reflect.Value, out []EmbeddedURL) []EmbeddedURL {
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		name := f.Tag.Get("koanf")
		if embeds(f) {
			out = embeddedURLs(prefix, field, out)
		}
		if name == "" {
			continue
		}
		_, server, ok := strings.Cut(f.Tag.Get("rule"), "embedded=")
		switch u, isURL := field.Addr().Interface().(*URL); {
		case ok && isURL:
			out = append(out, EmbeddedURL{Join(prefix, name), strings.Split(server, ",")[0], u})
		case field.Kind() == reflect.Struct && !isScalar(field):
			out = embeddedURLs(Join(prefix, name), field, out)
		}
	}
	return out
}
