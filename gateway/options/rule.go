package options

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// ruleProblem checks v against a rule tag and returns the problem, or "". If expanded is set, the value came from the
// environment, and the problem does not repeat it.
func ruleProblem(rule string, v reflect.Value, expanded bool) string {
	if rule == "" {
		return ""
	}
	for part := range strings.SplitSeq(rule, ",") {
		name, arg, _ := strings.Cut(part, "=")
		text := ""
		switch name {
		case "required":
			if isEmpty(v) {
				text = "is required"
			}
		case "min", "max":
			text = boundProblem(name, arg, v)
		case "oneof":
			if got := fmt.Sprint(v.Interface()); !slices.Contains(strings.Split(arg, "|"), got) {
				if expanded {
					return environmentValue + " is none of the known values (" + strings.Join(strings.Split(arg, "|"), ", ") + ")"
				}
				text = UnknownName("value "+strconv.Quote(got), got, strings.Split(arg, "|"))
			}
		case "scheme":
			text = schemeProblem(strings.Split(arg, "|"), v.Interface().(URL), strings.Contains(rule, "embedded="))
		case "embedded": // names the server that the word stands for; see EmbeddedURLs
		default:
			panic("options: unknown rule " + part)
		}
		if text != "" {
			return text
		}
	}
	return ""
}

func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

func schemeProblem(schemes []string, u URL, embeddable bool) string {
	if u.Embedded() {
		if embeddable {
			return ""
		}
		return "there is no embedded server for this option: write a " + schemes[0] + ":// URL"
	}
	if u.IsZero() || slices.Contains(schemes, u.Scheme()) {
		return ""
	}
	text := "must begin with " + strings.Join(schemes, ":// or ") + "://"
	if scheme := knownScheme(u.Scheme()); scheme != "" {
		text += ", not " + scheme + "://"
	}
	return text
}

// boundProblem compares v with a bound and returns the problem, or "". It compares numbers by value and other types by
// length.
func boundProblem(name, arg string, v reflect.Value) string {
	got, bound, verb, what := int64(0), int64(0), "be", ""
	switch t := v.Interface().(type) {
	case Duration:
		var b Duration
		must(b.UnmarshalText([]byte(arg)))
		got, bound = int64(t), int64(b)
	case Size:
		var b Size
		must(b.UnmarshalText([]byte(arg)))
		got, bound = int64(t), int64(b)
	default:
		n, err := strconv.ParseInt(arg, 10, 64)
		must(err)
		bound = n
		switch v.Kind() {
		case reflect.Int, reflect.Int64:
			got = v.Int()
		case reflect.String:
			got, what = int64(v.Len()), " bytes long"
		default:
			got, verb, what = int64(v.Len()), "have", " entries"
			if bound == 1 {
				what = " entry"
			}
		}
	}
	switch {
	case name == "min" && got < bound:
		return fmt.Sprintf("must %s at least %s%s", verb, arg, what)
	case name == "max" && got > bound:
		return fmt.Sprintf("must %s at most %s%s", verb, arg, what)
	}
	return ""
}

// must panics on a wrong tag, which is a bug in a plugin.
func must(err error) {
	if err != nil {
		panic("options: wrong rule tag: " + err.Error())
	}
}
