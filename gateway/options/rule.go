package options

import (
	"fmt"
	"math"
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
		if v.CanFloat() {
			return floatProblem(name, arg, v.Float())
		}
		n, err := strconv.ParseInt(arg, 10, 64)
		must(err)
		bound = n
		switch {
		case v.CanInt():
			got = v.Int()
		case v.CanUint():
			got = int64(min(v.Uint(), math.MaxInt64))
		case v.Kind() == reflect.String:
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

// floatProblem compares a number with a bound.
func floatProblem(name, arg string, got float64) string {
	bound, err := strconv.ParseFloat(arg, 64)
	must(err)
	switch {
	case name == "min" && got < bound:
		return "must be at least " + arg
	case name == "max" && got > bound:
		return "must be at most " + arg
	}
	return ""
}

// lintRule returns what is wrong with a rule tag of a field: a word that does not exist, or one that does not fit its type.
func lintRule(tag string, v reflect.Value) (problem string) {
	defer func() {
		if p := recover(); p != nil {
			problem = fmt.Sprintf("the rule %q does not fit the type %s: %v", tag, v.Type(), p)
		}
	}()
	for part := range strings.SplitSeq(tag, ",") {
		word, arg, _ := strings.Cut(part, "=")
		_, isURL := v.Interface().(URL)
		switch {
		case !rules[word]:
			return "there is no rule " + word
		case (word == "scheme" || word == "embedded") && !isURL:
			return fmt.Sprintf("the rule %s is for options.URL, and not for %s", word, v.Type())
		case (word == "min" || word == "max" || word == "oneof" || word == "scheme") && arg == "":
			return fmt.Sprintf("the rule %s has no value: write %s=...", word, word)
		case word == "required" && v.Kind() == reflect.Bool:
			return "the rule required refuses false: leave it out"
		}
	}
	ruleProblem(tag, v, false) // it panics if a bound cannot be parsed
	return ""
}

// must panics on a wrong tag, which is a bug in a plugin.
func must(err error) {
	if err != nil {
		panic("options: wrong rule tag: " + err.Error())
	}
}
