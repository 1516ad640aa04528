package plugin

import (
	"context"
	"errors"
	"flag"
	"io"
)

// Command is a command that a plugin type adds to the command line: `gateway NAME`.
type Command struct {
	Name    string
	Summary string // one line
	Help    string // the text of --help
	Example string
	// New declares the command's flags and returns its body, which runs once.
	New func(flags *flag.FlagSet) func(ctx context.Context, in Invocation) error
}

// Invocation is one call of a command.
type Invocation struct {
	Args []string // without the flags
	In   io.Reader
	Out  io.Writer
	// Lookup returns the value of an environment variable, from the sources that a configuration uses.
	Lookup func(name string) (value string, set bool, err error)
}

// WithCommand returns the type with one more command.
func (t Type[T]) WithCommand(c Command) Type[T] {
	t.commands = append(t.commands, c)
	return t
}

// Commands returns the commands of the type.
func (t Type[T]) Commands() []Command { return t.commands }

// exitError is an error with the exit status of its command.
type exitError struct {
	error
	status int
}

func (e *exitError) Unwrap() error { return e.error }

// WithExitStatus returns err as the error of a [Command] that ends with the exit status, from 1 to 125. Any other error of a
// command has the status 1.
func WithExitStatus(err error, status int) error { return &exitError{err, status} }

// ExitStatus returns the exit status of a command with the error err: 0 for nil, and 1 for an error without a status of its own.
func ExitStatus(err error) int {
	var with *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &with):
		return with.status
	}
	return 1
}
