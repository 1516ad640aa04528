// Package app is the gateway's command line, with one file per command.
package app

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/acme"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Version and Revision are the version of the gateway, and its commit. A build sets them with
// -ldflags "-X eventgateway/gateway/app.Version=...". Without that, those of the main module count, which go records.
var Version, Revision string

// Feature is a part of the gateway that not every binary has, because its dependencies are large.
type Feature func(*features)

// features are the features of this binary.
type features struct {
	acme     acme.New // nil: it obtains no certificates
	programs *programs
}

// ACME returns the feature http.tls.acme, with a client that obtains certificates.
func ACME(client acme.New) Feature { return func(f *features) { f.acme = client } }

// Main runs the command line with the plugins of set and with features, and exits: with 0 after
// success, 1 after a failure, 2 where the command line is wrong. `gateway status`, and a plugin's command
// ([plugin.WithExitStatus]), may end with another status.
func Main(set plugin.Set, with ...Feature) {
	set, err := addPrograms(set, os.Getenv(programsVariable), with...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", programsVariable, err)
		os.Exit(1)
	}
	root, err := command(set, with...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "this gateway was built with invalid plugin types:\n%v\n", err)
		os.Exit(1)
	}
	err = root.Execute()
	var failed *failure
	switch {
	case err == nil:
	case errors.As(err, &failed):
		if failed.err != nil {
			fmt.Fprintln(os.Stderr, arguments(os.Args).Error(failed.err))
		}
		os.Exit(failed.status)
	default: // cobra found the command line wrong; its error quotes it
		fmt.Fprintf(os.Stderr, "%v\ngateway --help shows how it is used\n", arguments(os.Args).Error(err))
		os.Exit(2)
	}
}

// arguments returns a Redactor of the secrets in the URLs of a command line.
func arguments(args []string) *options.Redactor {
	var urls []any
	for _, arg := range args {
		if scheme, rest, ok := strings.Cut(arg, "://"); ok { // --url=postgres://...
			urls = append(urls, options.NewURL(scheme[strings.LastIndexByte(scheme, '=')+1:]+"://"+rest))
		}
	}
	return options.NewRedactor(urls...)
}

// failure marks errors of a command whose command line was right.
type failure struct {
	err    error // nil: the command has printed the reason
	status int   // exit status
}

func (f *failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit status %d", f.status)
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// runs returns the body of a command as cobra calls it, with its errors marked as failures.
func runs(body func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := body(cmd, args)
		if failed := (*failure)(nil); err == nil || errors.As(err, &failed) {
			return err
		}
		return &failure{err, plugin.ExitStatus(err)}
	}
}

// flags holds the flags that several commands share.
type flags struct {
	files    []string
	routes   []string
	dotenv   string
	logLevel string
	data     string
	offline  bool // sources and sinks are not built
	pipes    config.Pipes
	// filesGiven says that the command line names files.
	filesGiven bool
	loaded     bool // the configuration was loaded before
	features   features
}

// readPipes reads the files that are pipes, once: a reload cannot read them again.
func (f *flags) readPipes() (err error) {
	if f.pipes == nil {
		f.pipes, err = config.ReadPipes(append(slices.Clone(f.files), f.dotenv)...)
	}
	return err
}

// env returns the environment for a command that reads no configuration.
func (f *flags) env() (config.Env, error) {
	pipes, err := config.ReadPipes(f.dotenv)
	if err != nil {
		return config.Env{}, err
	}
	return config.ProcessEnv(f.dotenv, pipes)
}

// command returns the root command. It fails where a plugin type of set is invalid.
func command(set plugin.Set, with ...Feature) (*cobra.Command, error) {
	f := &flags{}
	for _, add := range with {
		add(&f.features)
	}
	root := &cobra.Command{
		Use:     "gateway",
		Version: thisProgram().String(),
		Short:   "Carries events from sources through transforms to sinks",
		Long: `Carries events from sources through transforms to sinks, as a YAML file says:
PostgreSQL notifications to Redis, Redis messages to browsers, and more.

Environment variables stand in the file as ${NAME} or ${NAME:-default}; those
that are not set are read from a file .env in the working directory, and NAME
from the file that NAME_FILE names.`,
		Example: `  gateway init                              write a gateway.yaml to begin with
  gateway                                   run gateway.yaml
  gateway -c gateway.yaml --route deliver   run one route of it
  gateway check -c gateway.yaml             report what is wrong with it
  gateway plugins websocket                 list the options of a plugin
  gateway status                            print the health of the running gateway`,
		Args:             noArgs,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { f.filesGiven = cmd.Flags().Changed("config") },
		RunE:             runs(func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), set, f) }),
	}
	root.SetVersionTemplate("gateway {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	p := root.PersistentFlags()
	p.StringSliceVarP(&f.files, "config", "c", []string{defaultFile}, "configuration `file`; several are merged, the later wins")
	p.StringSliceVar(&f.routes, "route", nil, "run only this `route`; may be given several times")
	p.StringVar(&f.dotenv, "env-file", ".env", "`file` with NAME=value lines, used where it exists")
	root.Flags().StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error; overrides log.level")
	root.Flags().StringVar(&f.data, "data", "", "`folder` in which the embedded servers store their data; without it, the data is lost on exit")
	root.AddCommand(checkCommand(set, f), testCommand(set, f), pluginsCommand(set), tailCommand(set, f), replayCommand(set, f),
		statusCommand(f), topCommand(f), tapCommand(f), reloadCommand(f), logLevelCommand(f), deadLettersCommand(set, f), whereCommand(f), attemptsCommand(f), clientsCommand(f),
		initCommand(set), conformanceCommand(f), buildCommand(), newCommand(), importCommand(set), schemaCommand(set), versionCommand())
	completeFlag(root, "route", set, f, routeNames)
	taken := []string{"help", "completion"} // cobra's
	for _, c := range root.Commands() {
		taken = append(taken, c.Name())
	}
	if err := config.CheckPlugins(set, taken...); err != nil {
		return nil, err
	}
	for _, t := range typesOf(set) {
		for _, c := range t.Commands() {
			root.AddCommand(pluginCommand(c, f))
		}
	}
	return root, nil
}

// pluginCommand returns a plugin's command as a command of cobra.
func pluginCommand(c plugin.Command, f *flags) *cobra.Command {
	goFlags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	body := c.New(goFlags)
	cmd := &cobra.Command{
		Use: c.Name, Short: c.Summary, Long: c.Help, Example: c.Example,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			env, err := f.env()
			if err != nil {
				return err
			}
			return body(cmd.Context(), plugin.Invocation{Args: args, In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Lookup: env.Lookup})
		}),
	}
	cmd.Flags().AddGoFlagSet(goFlags)
	return cmd
}

// load reads the configuration that the flags name. running is the one that a reload replaces; nil at a start.
func (f *flags) load(set plugin.Set, running *config.Config) (*config.Config, error) {
	if err := f.missingFile(); err != nil {
		return nil, err
	}
	if err := f.readPipes(); err != nil {
		return nil, err
	}
	env, err := config.ProcessEnv(f.dotenv, f.pipes)
	if err != nil {
		return nil, err
	}
	cfg, problems := config.Load(config.Request{Files: f.files, Pipes: f.pipes, Env: env, Plugins: set, Routes: f.routes, Running: running, Offline: f.offline, ACME: f.features.acme != nil})
	if len(problems) > 0 {
		err := hintAtPrograms(configError(problems), problems)
		if warnings := env.Warnings(); len(warnings) > 0 { // they may explain why a variable is not set
			err = fmt.Errorf("%w\nwarnings: %d\n%w", err, len(warnings), warnings)
		}
		return nil, err
	}
	f.loaded = true
	cfg.Warnings = append(cfg.Warnings, env.Warnings()...)
	debug, _, _ := env.Lookup("DEBUG") // DEBUG=*, as in the old system
	if debug != "" && debug != "0" && debug != "false" {
		cfg.Log.Level = "debug"
	}
	if f.logLevel != "" {
		cfg.Log.Level = f.logLevel
	}
	return cfg, nil
}

// configError returns problems as one error, which ends with their number.
func configError(problems options.Problems) error {
	what := "problem"
	if len(problems) > 1 {
		what = "problems"
	}
	return fmt.Errorf("%w\n%d %s in the configuration", problems, len(problems), what)
}
