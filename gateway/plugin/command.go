package plugin

import (
	"context"
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
