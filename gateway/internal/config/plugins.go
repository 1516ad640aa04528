package config

import (
	"errors"
	"fmt"
	"slices"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// CheckPlugins returns an error where plugin types are invalid, which is a mistake of their authors.
// commands are the names of the gateway's own commands.
func CheckPlugins(set plugin.Set, commands ...string) error {
	return errors.Join(set.Check(commands...), checkOptions(set.Sources), checkOptions(set.Transforms), checkOptions(set.Sinks))
}

func checkOptions[T any](types []plugin.Type[T]) error {
	var problems []error
	for _, t := range types {
		if t.Name() == "" {
			continue // reported by Check
		}
		opts := t.Defaults()
		for _, text := range options.Lint(opts) {
			problems = append(problems, fmt.Errorf("the options of the %s type %q: %s", t.Kind(), t.Name(), text))
		}
		for _, key := range options.Keys(opts) {
			if slices.Contains(plugin.ReservedOptions(t.Kind()), key) {
				problems = append(problems, fmt.Errorf("the options of the %s type %q: %s is reserved: choose another name", t.Kind(), t.Name(), key))
			}
		}
	}
	return errors.Join(problems...)
}
