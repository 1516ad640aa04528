package config

import (
	"errors"
	"fmt"
	"slices"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// CheckPlugins returns what is wrong with the plugin types that a gateway was built with. It is a
// mistake of their authors, which no configuration can mend. taken are the names of the gateway's
// own commands.
func CheckPlugins(set plugin.Set, taken ...string) error {
	return errors.Join(set.Check(taken...), checkOptions(set.Sources), checkOptions(set.Transforms), checkOptions(set.Sinks))
}

func checkOptions[T any](types []plugin.Type[T]) error {
	var problems []error
	for _, t := range types {
		if t.Name() == "" {
			continue // Check says so
		}
		opts := t.Defaults()
		for _, text := range options.Lint(opts) {
			problems = append(problems, fmt.Errorf("the options of the %s type %q: %s", t.Kind(), t.Name(), text))
		}
		for _, key := range options.Keys(opts) {
			if slices.Contains(plugin.ReservedOptions(t.Kind()), key) {
				problems = append(problems, fmt.Errorf("the options of the %s type %q: %s is the gateway's own: take another name", t.Kind(), t.Name(), key))
			}
		}
	}
	return errors.Join(problems...)
}
