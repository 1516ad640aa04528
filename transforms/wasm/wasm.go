// Package wasm is the transform wasm: a WebAssembly module makes events of each event.
//
// The module is the guest. It has no rights but the four functions of README.md, a clock and random numbers. Each call has bounds of time,
// memory and output. After a fault the instance of the guest is discarded, and the next event has a new one.
package wasm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	File         options.File                `koanf:"file" rule:"required" doc:"the module, in the binary format. A change of the file takes effect by a reload, within two seconds"`
	Options      any                         `koanf:"options" doc:"options of the module, a mapping, which it can read as JSON"`
	Secrets      options.Map[options.Secret] `koanf:"secrets" doc:"further options of the module, whose values are never shown"`
	Timeout      options.Duration            `koanf:"timeout" rule:"min=1ms,max=1m" doc:"most time for an event"`
	Memory       options.Size                `koanf:"memory" rule:"min=64KiB,max=1GiB" doc:"most memory of the module"`
	Max          Max                         `koanf:"max"`
	Stateful     bool                        `koanf:"stateful" doc:"the result depends on earlier events or on the time, so this cannot be before a sink that takes its history from a source"`
	Deduplicates bool                        `koanf:"deduplicates" doc:"the module drops events that it has seen before, so this cannot follow a source that replays"`
}

// Capabilities is part of [plugin.CapabilityOptions].
func (o *Options) Capabilities() (all []plugin.Capability) {
	if o.Stateful {
		all = append(all, plugin.Stateful)
	}
	if o.Deduplicates {
		all = append(all, plugin.Deduplicates)
	}
	return all
}

// Max bounds what the module makes of an event.
type Max struct {
	Events int          `koanf:"events" rule:"min=1" doc:"most events that the module makes of one"`
	Bytes  options.Size `koanf:"bytes" rule:"min=1" doc:"most bytes that these have together"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("wasm", "Runs a WebAssembly module on each event.", func() Options {
		return Options{Timeout: options.Duration(time.Second), Memory: 64 << 20, Max: Max{Events: 1000, Bytes: 16 << 20}}
	}, build).WithOptional(plugin.Stateful, plugin.Deduplicates)
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	of, ok := o.Options.(map[string]any)
	if !ok && o.Options != nil {
		report("options", "must be a mapping: write options: {name: value}")
	}
	for _, s := range o.Secrets {
		if _, twice := of[s.Key]; twice {
			report("secrets."+s.Key, "is in options, too: remove it from there")
		}
	}
}

// json returns the options of the module, with its secrets.
func (o *Options) json() ([]byte, error) {
	all := map[string]any{}
	if of, ok := o.Options.(map[string]any); ok {
		maps.Copy(all, of)
	}
	for _, s := range o.Secrets {
		all[s.Key] = s.Value.Reveal()
	}
	return options.JSON(all)
}

// build compiles the module and starts it once, so that `gateway check` finds what is wrong with it.
func build(o Options, env plugin.Env) (plugin.Transform, error) {
	text, err := o.json()
	if err != nil {
		return nil, &plugin.OptionError{Option: "options", Err: err}
	}
	t := &transform{opts: o, options: text, env: env, metrics: newMetrics()}
	if err := t.open(); err != nil {
		return nil, errors.Join(&plugin.OptionError{Option: "file", Err: err}, t.Close(context.Background()))
	}
	if err := t.metrics.register(env.Metrics); err != nil {
		return nil, errors.Join(fmt.Errorf("metrics: %w", err), t.Close(context.Background()))
	}
	return t, nil
}
