package childproc

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"eventgateway/gateway/options"
)

// optionType is a type of an option in a manifest.
type optionType struct{ of reflect.Type }

var optionTypes = map[string]optionType{
	"text": {reflect.TypeFor[string]()}, "integer": {reflect.TypeFor[int]()}, "bool": {reflect.TypeFor[bool]()},
	"duration": {reflect.TypeFor[options.Duration]()}, "size": {reflect.TypeFor[options.Size]()},
	"secret": {reflect.TypeFor[options.Secret]()}, "url": {reflect.TypeFor[options.URL]()},
	"list": {reflect.TypeFor[[]string]()}, "map": {reflect.TypeFor[options.Map[string]]()},
}

// decode parses the default of an option.
func (t optionType) decode(text json.RawMessage) (reflect.Value, error) {
	v := reflect.New(t.of)
	if u, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		var s string
		if text[0] != '"' { // a number
			s = string(text)
		} else if err := json.Unmarshal(text, &s); err != nil {
			return v, fmt.Errorf("the default: %w", err)
		}
		if err := u.UnmarshalText([]byte(s)); err != nil {
			return v, fmt.Errorf("the default: %w", err)
		}
		return v.Elem(), nil
	}
	if t.of == reflect.TypeFor[options.Map[string]]() {
		return v, fmt.Errorf("a map has no default: leave it out")
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(v.Interface()); err != nil {
		return v, fmt.Errorf("the default: %w", err)
	}
	return v.Elem(), nil
}

// newOptions returns a pointer to a new struct with the options of the program, which are its first fields, and those of the structs
// in settings, flat. The fields hold the defaults.
func (m *Manifest) newOptions(settings ...any) reflect.Value {
	var fields []reflect.StructField
	for i, o := range m.Options {
		rule := ""
		if o.Required {
			rule = "required"
		}
		tag := fmt.Sprintf("koanf:%s rule:%s doc:%s", strconv.Quote(o.Name), strconv.Quote(rule), strconv.Quote(o.Doc))
		fields = append(fields, reflect.StructField{Name: "Option" + strconv.Itoa(i), Type: optionTypes[o.Type].of, Tag: reflect.StructTag(tag)})
	}
	var values []reflect.Value
	for _, s := range settings {
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			f := v.Type().Field(i)
			fields = append(fields, reflect.StructField{Name: f.Name, Type: f.Type, Tag: f.Tag})
			values = append(values, v.Field(i))
		}
	}
	made := reflect.New(reflect.StructOf(fields))
	for i, o := range m.Options {
		if o.Default != nil {
			if v, err := optionTypes[o.Type].decode(o.Default); err == nil {
				made.Elem().Field(i).Set(v)
			}
		}
	}
	for i, v := range values {
		made.Elem().Field(len(m.Options) + i).Set(v)
	}
	return made
}

// Defaults returns a function that makes the options of a plugin type: the options of the program, and the fields of the structs to which
// settings point, whose values are the defaults.
func (m *Manifest) Defaults(settings ...any) func() any {
	return func() any { return m.newOptions(settings...).Interface() }
}

// Config returns the configuration of a component of the program. opts is a pointer that Defaults has made. settings are pointers to
// the same structs as there; Config sets them.
func (m *Manifest) Config(opts any, settings ...any) Config {
	v := reflect.ValueOf(opts).Elem()
	plain, c := map[string]any{}, Config{Command: m.Command}
	for i, o := range m.Options {
		switch value := v.Field(i).Interface().(type) {
		case options.Secret:
			c.Secrets = append(c.Secrets, options.Entry[options.Secret]{Key: o.Name, Value: value})
		case options.URL:
			plain[o.Name] = value.Reveal()
		case options.Duration:
			plain[o.Name] = value.D().Seconds()
		case options.Size:
			plain[o.Name] = int64(value)
		case []string:
			plain[o.Name] = append([]string{}, value...) // [] and not null
		case options.Map[string]:
			entries := map[string]string{}
			for _, e := range value {
				entries[e.Key] = e.Value
			}
			plain[o.Name] = entries
		default:
			plain[o.Name] = value
		}
	}
	c.Options = plain
	at := len(m.Options)
	for _, s := range settings {
		to := reflect.ValueOf(s).Elem()
		for i := range to.NumField() {
			to.Field(i).Set(v.Field(at))
			at++
		}
	}
	return c
}
