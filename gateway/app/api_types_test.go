package app

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/internal/tap"
)

// apiTypes are the answers of the API that the page reads.
var apiTypes = []any{
	admin.Overview{}, stats.HistoryPage{}, stats.TimelinePage{}, admin.ComponentPage{}, config.Component{}, letters.Letter{}, tap.Item{}, tap.Counts{},
	delivery.AttemptList{}, delivery.ClientList{}, admin.DryRunResult{}, letters.ReplayState{},
}

// TestPageHasTypesOfAPI proves that the types with which the page is checked are those of the answers.
func TestPageHasTypesOfAPI(t *testing.T) {
	const file = "../../web/types/api.d.ts"
	types := &typeScript{names: map[reflect.Type]string{}}
	for _, v := range apiTypes {
		types.of(reflect.TypeOf(v))
	}
	slices.Sort(types.declarations)
	want := "// Types of the answers of the API, made from those of Go: TYPES_UPDATE=1 go test ./gateway/app -run PageHasTypes\n\n" + strings.Join(types.declarations, "\n")
	if os.Getenv("TYPES_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is old: TYPES_UPDATE=1 go test ./gateway/app -run PageHasTypes writes it", file)
	}
}

// typeScript makes TypeScript types of those of Go, as encoding/json writes their values.
type typeScript struct {
	names        map[reflect.Type]string
	declarations []string
}

func (ts *typeScript) of(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]() || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "string"
	case t == reflect.TypeFor[stats.Series]():
		return "(number | null)[]"
	case t == reflect.TypeFor[json.RawMessage]():
		return "any"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Pointer:
		return ts.of(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "string"
		}
		return ts.of(t.Elem()) + "[]"
	case reflect.Map:
		return "Record<string, " + ts.of(t.Elem()) + ">"
	case reflect.Interface:
		return "any"
	case reflect.Struct:
		return ts.ofStruct(t)
	}
	return "number"
}

func (ts *typeScript) ofStruct(t reflect.Type) string {
	if name, ok := ts.names[t]; ok {
		return name
	}
	name := t.Name()
	for slices.Contains(slices.Collect(maps.Values(ts.names)), name) {
		name += "_"
	}
	ts.names[t] = name
	var b strings.Builder
	fmt.Fprintf(&b, "export interface %s {\n", name)
	ts.fields(&b, t)
	b.WriteString("}\n")
	ts.declarations = append(ts.declarations, b.String())
	return name
}

// fields writes the fields of a struct, and those of structs that it embeds.
func (ts *typeScript) fields(b *strings.Builder, t reflect.Type) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			ts.fields(b, field.Type)
		case !field.IsExported() || name == "-":
		default:
			mark := ""
			if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
				mark = "?"
			}
			if name == "" {
				name = field.Name
			}
			fmt.Fprintf(b, "  %s%s: %s;\n", name, mark, ts.of(field.Type))
		}
	}
}
