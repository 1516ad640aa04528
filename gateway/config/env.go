package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/joho/godotenv"
)

// Env finds environment variables: in layers, the first one wins.
type Env struct {
	layers []func(string) (string, bool)
	heard  func(value string) // is told what every variable holds that is asked for; may be nil
}

// NewEnv makes an Env of layers, for tests.
func NewEnv(layers ...map[string]string) Env {
	var e Env
	for _, l := range layers {
		e.layers = append(e.layers, func(name string) (string, bool) { v, ok := l[name]; return v, ok })
	}
	return e
}

// ProcessEnv is the environment of the process, and below it the file dotenv
// where that exists. Its error never shows what is in the file.
func ProcessEnv(dotenv string) (Env, error) {
	e := Env{layers: []func(string) (string, bool){os.LookupEnv}}
	vars, err := godotenv.Read(dotenv)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		// The parser's error quotes values, which may be secret.
		return e, fmt.Errorf("%s: cannot be read as lines of NAME=value: is an = missing, or a quote not closed?", dotenv)
	}
	e.layers = append(e.layers, func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	return e, nil
}

// Lookup returns the value of a variable and whether it is set. Where NAME is
// not set but NAME_FILE is, the value is that file's content without the line
// break at its end, as Docker and Kubernetes hand over secrets.
func (e Env) Lookup(name string) (string, bool, error) {
	value, set, err := e.lookup(name)
	if set && e.heard != nil {
		e.heard(value)
	}
	return value, set, err
}

func (e Env) lookup(name string) (string, bool, error) {
	for _, layer := range e.layers {
		if v, ok := layer(name); ok {
			return v, true, nil
		}
		path, ok := layer(name + "_FILE")
		if !ok || path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return "", false, fmt.Errorf("%s_FILE cannot be read: %w", name, err)
		}
		return strings.TrimRight(string(b), "\r\n"), true, nil
	}
	return "", false, nil
}
