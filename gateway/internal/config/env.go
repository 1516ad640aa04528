package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"eventgateway/gateway/options"
)

// Env looks up environment variables in layers; the first one with the variable wins.
type Env struct {
	layers   []func(string) (string, bool)
	onLookup func(name, value string) // called with each variable that is found; may be nil
	files    map[string]fileValue     // content of the files of NAME_FILE; nil: no cache
	warnings options.Problems
	dotenv   string         // the .env file, which is the last layer; "": there is none
	lines    map[string]int // of its variables
}

// fileValue is the value of a variable from a file, or the error of reading it.
type fileValue struct {
	value string
	err   error
}

// maxVariable bounds a value in a file, in bytes.
const maxVariable = 1 << 20

// NewEnv returns an Env of layers, for tests.
func NewEnv(layers ...map[string]string) Env {
	var e Env
	for _, l := range layers {
		e.layers = append(e.layers, func(name string) (string, bool) { v, ok := l[name]; return v, ok })
	}
	return e
}

// ProcessEnv is the environment of the process, and below it file, an .env,
// where that exists. Its error never shows what is in the file.
func ProcessEnv(file string, pipes Pipes) (Env, error) {
	e := Env{layers: []func(string) (string, bool){os.LookupEnv}}
	text, err := pipes.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	var parsed *dotenv
	if err == nil {
		parsed, err = parseDotenv(text)
	}
	if err != nil {
		return e, fmt.Errorf("%s: cannot be read: %w", file, err)
	}
	e.add(file, parsed)
	return e, nil
}

// ReadDotenv returns the variables of an .env file alone, and their names in alphabetical order.
func ReadDotenv(file string) (names []string, e Env, err error) {
	text, err := options.ReadFile(file, maxVariable)
	var parsed *dotenv
	if err == nil {
		parsed, err = parseDotenv(text)
	}
	if err != nil {
		return nil, e, fmt.Errorf("%s: cannot be read: %w", file, err)
	}
	e.add(file, parsed)
	return slices.Sorted(maps.Keys(parsed.vars)), e, nil
}

// add adds the variables of an .env file as the last layer.
func (e *Env) add(file string, parsed *dotenv) {
	for _, w := range parsed.warnings {
		e.warnings = append(e.warnings, options.Problem{Pos: options.Pos{File: file, Line: w.line, Col: 1}, Text: w.text})
	}
	e.layers = append(e.layers, func(name string) (string, bool) { v, ok := parsed.vars[name]; return v, ok })
	e.dotenv, e.lines = file, parsed.lines
}

// origin describes the line of the .env file that sets a variable; "" where another layer sets it.
func (e Env) origin(name string) string {
	variable, _, layer := e.find(name)
	if variable == "" || e.dotenv == "" || layer < len(e.layers)-1 {
		return ""
	}
	return fmt.Sprintf("%s stands in line %d of %s", variable, e.lines[variable], e.dotenv)
}

// find returns the variable that sets name, NAME or NAME_FILE, with its value and the number of its layer; "" where
// none does.
func (e Env) find(name string) (variable, value string, layer int) {
	for i, get := range e.layers {
		for _, variable := range []string{name, name + "_FILE"} {
			if value, set := get(variable); set && (variable == name || value != "") {
				return variable, value, i
			}
		}
	}
	return "", "", 0
}

// Warnings returns warnings about the .env file. They never quote its content.
func (e Env) Warnings() options.Problems { return e.warnings }

// caching returns the same Env with a cache, so that each file is read once.
func (e Env) caching() Env {
	e.files = map[string]fileValue{}
	return e
}

// Lookup returns the value of a variable and whether it is set. Where NAME is
// not set but NAME_FILE is, the value is that file's content without the line
// break at its end, as Docker and Kubernetes hand over secrets.
func (e Env) Lookup(name string) (string, bool, error) {
	value, set, err := e.lookup(name)
	if set && e.onLookup != nil {
		e.onLookup(name, value)
	}
	return value, set, err
}

func (e Env) lookup(name string) (string, bool, error) {
	variable, value, _ := e.find(name)
	if variable == "" || variable == name {
		return value, variable == name, nil
	}
	v, err := e.file(value)
	if err != nil {
		return "", false, fmt.Errorf("%s cannot be read: open %s: %w", variable, value, err)
	}
	return v, true, nil
}

// file returns the value in a file.
func (e Env) file(path string) (string, error) {
	if v, ok := e.files[path]; ok {
		return v.value, v.err
	}
	text, err := options.ReadFile(path, maxVariable)
	v := fileValue{strings.TrimRight(string(text), "\r\n"), err}
	if e.files != nil {
		e.files[path] = v
	}
	return v.value, v.err
}
