// Package wasm is the transform wasm: a WebAssembly module makes events of each event.
//
// The module is the guest. It has no rights but the four functions of README.md, a clock and random numbers. Each call has bounds of time,
// memory and output. After a fault the instance of the guest is discarded, and the next event has a new one.
package wasm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the transform.
type Options struct {
	File    options.File     `koanf:"file" rule:"required" doc:"the module, in the binary format. A change of the file takes effect by a reload, within two seconds"`
	Config  any              `koanf:"config" doc:"what the module can read as JSON; as YAML or as JSON text, and not for secrets"`
	Timeout options.Duration `koanf:"timeout" rule:"min=1ms,max=1m" doc:"most time for an event"`
	Memory  options.Size     `koanf:"memory" rule:"min=64KiB,max=1GiB" doc:"most memory of the module"`
	Max     Max              `koanf:"max"`
}

// Max bounds what the module makes of an event.
type Max struct {
	Events int          `koanf:"events" rule:"min=1" doc:"most events that the module makes of one"`
	Bytes  options.Size `koanf:"bytes" rule:"min=1" doc:"most bytes that these have together"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("wasm", "Runs a WebAssembly module on each event.", func() Options {
		return Options{Timeout: options.Duration(100e6), Memory: 64 << 20, Max: Max{Events: 1000, Bytes: 16 << 20}}
	}, build).With(plugin.Stateful)
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if text, err := options.JSON(o.Config); err != nil || o.Config != nil && !json.Valid(text) {
		report("config", "is not JSON")
	}
}

// build compiles the module and starts it once, so that `gateway check` finds what is wrong with it.
func build(o Options, env plugin.Env) (plugin.Transform, error) {
	config := []byte("null")
	if o.Config != nil {
		config, _ = options.JSON(o.Config) // Check has made it
	}
	t := &transform{opts: o, config: config, env: env, metrics: newMetrics()}
	if err := t.open(); err != nil {
		return nil, errors.Join(&plugin.OptionError{Option: "file", Err: err}, t.Close(context.Background()))
	}
	if err := t.metrics.register(env.Metrics); err != nil {
		return nil, errors.Join(fmt.Errorf("metrics: %w", err), t.Close(context.Background()))
	}
	return t, nil
}
