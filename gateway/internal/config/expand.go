package config

import (
	"errors"
	"fmt"
	"strings"

	"eventgateway/gateway/options"
)

// expand replaces ${NAME} and ${NAME:-default} in text; an empty variable counts
// as unset where there is a default, and $${ stands for ${ itself. A default goes up to
// the } that closes it, so that braces within it come in pairs: ${A:-{"x":{}}}. It works on
// scalars after parsing, so no value can change the structure of the file; any
// other $ stays as it is. The result is a string where nothing was replaced,
// else an options.Expanded. made is the number of bytes of the result; more than
// room is the error errTooLong.
func expand(text string, env Env, room int) (v any, made int, err error) {
	if !strings.Contains(text, "${") {
		return text, 0, nil
	}
	if len(text) > room {
		return nil, 0, errTooLong
	}
	var out strings.Builder
	expanded := false
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			out.WriteString(rest)
			break
		}
		if strings.HasSuffix(before, "$") {
			out.WriteString(before + "{")
			rest = after
			continue
		}
		end := closing(after)
		if end < 0 {
			return nil, 0, fmt.Errorf("a ${ lacks its }; write $${ for the two characters themselves, and close each { of a default")
		}
		inner, tail := after[:end], after[end+1:]
		if strings.Contains(inner, "${") {
			return nil, 0, fmt.Errorf("a ${...} cannot stand within another one")
		}
		value, err := resolve(inner, env)
		if err != nil {
			return nil, 0, err
		}
		if out.Len()+len(before)+len(value)+len(tail) > room {
			return nil, 0, errTooLong
		}
		out.WriteString(before + value)
		expanded, rest = true, tail
	}
	if !expanded {
		return out.String(), out.Len(), nil
	}
	return options.Expanded(out.String()), out.Len(), nil
}

// closing returns where the } is that closes what text begins within, or -1.
func closing(text string) int {
	open := 0
	for i := range len(text) {
		switch text[i] {
		case '{':
			open++
		case '}':
			if open == 0 {
				return i
			}
			open--
		}
	}
	return -1
}

// errTooLong is returned where the expanded text exceeds the room.
var errTooLong = errors.New("too long")

func resolve(inner string, env Env) (string, error) {
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !isVariable(name) {
		return "", errors.New("between ${ and } is not the name of an environment variable; write ${NAME} or ${NAME:-default}, or $${ for the two characters themselves")
	}
	value, set, err := env.Lookup(name)
	switch {
	case err != nil:
		return "", err
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("the environment variable %s is not set; set it or %s_FILE, or write ${%s:-default}", name, name, name)
	}
	return value, nil
}

func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
