package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"eventgateway/gateway/options"
)

// defaultFile is the configuration file where the command line names none.
const defaultFile = "gateway.yaml"

// noArgs is the [cobra.PositionalArgs] of a command without arguments. If the command has subcommands, the error
// suggests the most similar name.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasAvailableSubCommands() {
		return fmt.Errorf("%s takes no argument, not even %q", cmd.CommandPath(), args[0])
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return errors.New(options.UnknownName(fmt.Sprintf("command %q of %s", args[0], cmd.CommandPath()), args[0], known))
}

// flagError returns the error of a flag. For an unknown flag it suggests the most similar name.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); cmd.HasAvailableSubCommands() && len(args) > 0 { // the flag is of the command that was meant
		return noArgs(cmd, args)
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, "--"+f.Name)
		}
	})
	given := "--" + unknown.GetSpecifiedName()
	return fmt.Errorf("%s for %s", options.UnknownName("flag "+given, given, known), cmd.CommandPath())
}

// missingFile returns an error with what to do where there is no configuration file and the command line names none;
// else nil.
func (f *flags) missingFile() error {
	if f.filesGiven || f.loaded || len(f.files) != 1 || f.files[0] != defaultFile {
		return nil
	}
	if _, err := os.Stat(defaultFile); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.New(strings.TrimSpace(`
there is no ` + defaultFile + ` in this folder.
  gateway init        writes one: a pipeline that runs without servers of yours
  gateway -c FILE     runs another file
  gateway --help      lists the commands`))
}
