package plugin

import (
	"context"
	"flag"
	"io"
)

// Command is a command that a plugin type brings to the command line:
// `gateway NAME`.
type Command struct {
	Name    string
	Summary string // one line
	Help    string // what it does, for --help
	Example string
	// New declares the command's flags and returns its body, which runs once.
	New func(flags *flag.FlagSet) func(ctx context.Context, in Invocation) error
}

// Invocation is one call of a command.
type Invocation struct {
	Args []string // beside the flags
	Out  io.Writer
	// Lookup finds environment variables, as a configuration does.
	Lookup func(name string) (value string, set bool, err error)
}

// WithCommand returns the type together with a command of its own.
func (t Type[T]) WithCommand(c Command) Type[T] {
	t.commands = append(t.commands, c)
	return t
}

// Commands returns the commands that the type brings.
func (t Type[T]) Commands() []Command { return t.commands }
