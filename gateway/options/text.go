package options

import (
	"fmt"
	"reflect"
	"strings"
)

// Text returns a text of a pointer to options that is the same in each process for options that are equal. It has no
// secrets: options that differ only in these have the same text.
func Text(opts any) string {
	var b strings.Builder
	appendText(&b, reflect.ValueOf(opts).Elem())
	return b.String()
}

func appendText(b *strings.Builder, v reflect.Value) {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		fmt.Fprintf(b, "%q,", s.String())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				b.WriteString(f.Name + ":")
				appendText(b, v.Field(i))
			}
		}
	case reflect.Slice:
		fmt.Fprintf(b, "%d[", v.Len())
		for i := range v.Len() {
			appendText(b, v.Index(i))
		}
		b.WriteString("]")
	default:
		fmt.Fprintf(b, "%#v,", v.Interface()) // fmt sorts the keys of maps
	}
}
