package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"eventgateway/gateway/childproc"
	"eventgateway/gateway/childproc/conformance"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

func conformanceCommand(f *flags) *cobra.Command {
	var kind, given, secrets string
	var acks, stateful bool
	cmd := &cobra.Command{
		Use:   "conformance PROGRAM [ARGUMENT...]",
		Short: "Check a program for type exec against its protocol",
		Long: `Starts a program in any language several times, as the components of type exec do, and
checks each rule of the protocol (gateway/childproc/README.md). Arguments
after PROGRAM are those of the program. It gets the options that --options gives, and the
environment of the shell.
The exit status is 0 if the program follows all rules, else 1.`,
		Example: `  gateway conformance --options '{"path":"/tmp/out"}' python3 sinks/exec/example.py`,
		Args:    cobra.MinimumNArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			s := conformance.Subject{Command: args, Kind: plugin.Kind(kind), Acks: acks, Stateful: stateful, Fits: f.features.programs.check}
			s.Config.Limits = childproc.Defaults()
			for _, variable := range os.Environ() {
				name, value, _ := strings.Cut(variable, "=")
				s.Config.Env = append(s.Config.Env, options.Entry[options.Secret]{Key: name, Value: options.NewSecret(value)})
			}
			var of map[string]any
			if err := json.Unmarshal([]byte(given), &of); err != nil {
				return fmt.Errorf("--options is not a JSON object: %w: write {\"name\": value}", err)
			}
			s.Config.Options = of
			hidden := map[string]string{}
			if err := json.Unmarshal([]byte(secrets), &hidden); err != nil {
				return errors.New("--secrets is not a JSON object of texts: write {\"name\": \"text\"}")
			}
			for name, value := range hidden {
				s.Config.Secrets = append(s.Config.Secrets, options.Entry[options.Secret]{Key: name, Value: options.NewSecret(value)})
			}
			w, broken := cmd.OutOrStdout(), 0
			err := conformance.Check(cmd.Context(), s, func(r conformance.Result) {
				switch {
				case len(r.Errors) > 0:
					broken++
					fmt.Fprintf(w, "FAIL  %s\n", r.Rule)
					for _, text := range r.Errors {
						fmt.Fprintf(w, "      %s\n", text)
					}
				case r.Skipped != "":
					fmt.Fprintf(w, "skip  %s: %s\n", r.Rule, r.Skipped)
				default:
					fmt.Fprintf(w, "ok    %s\n", r.Rule)
				}
			})
			if err != nil {
				return err
			}
			if broken > 0 {
				return fmt.Errorf("the program breaks %d rules of the protocol: see gateway/childproc/README.md", broken)
			}
			return nil
		}),
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVar(&kind, "kind", "", "source, transform or sink; without it as the program describes itself")
	cmd.Flags().StringVar(&given, "options", "{}", "options of the program, a JSON `object`")
	cmd.Flags().StringVar(&secrets, "secrets", "{}", "secret options of the program, a JSON `object` of texts")
	cmd.Flags().BoolVar(&acks, "acks", false, "the source resumes behind what was acked")
	cmd.Flags().BoolVar(&stateful, "stateful", false, "the transform depends on earlier events")
	return cmd
}
