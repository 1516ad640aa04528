// Package batch is the transform batch: it makes one event of several.
package batch

import (
	"context"
	"slices"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	Format string `koanf:"format" rule:"oneof=array|lines" doc:"what the payload becomes"`
	Latest bool   `koanf:"latest" doc:"whether only the latest event of each key is used, at its position; events without a key are all used"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{"format": "With array it is a JSON array of the payloads; with lines, each payload has a line of its own (JSON Lines)"}
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewBatchTransform("batch", "Makes one event of several.", func() Options { return Options{Format: "array"} }, build)
}

func build(o Options, _ plugin.Env) (plugin.BatchTransform, error) { return &transform{o}, nil }

type transform struct{ opts Options }

// ApplyBatch is part of [plugin.BatchTransform].
func (t *transform) ApplyBatch(_ context.Context, w plugin.Window, emit func(*event.Event)) error {
	size := 2
	failed := map[int]error{}
	for i, e := range w.Events {
		if err := rawjson.Check(e.Data); err != nil {
			failed[i] = err
		}
		size += len(e.Data) + 1
	}
	if err := plugin.Failed(failed); err != nil {
		return err
	}
	events := w.Events
	if t.opts.Latest {
		events = latest(events)
	}
	made := w.Merged("batch-")
	made.Data = make([]byte, 0, size)
	if t.opts.Format == "array" {
		made.Data = append(made.Data, '[')
	}
	for i, e := range events {
		if i > 0 && t.opts.Format == "array" {
			made.Data = append(made.Data, ',')
		} else if i > 0 {
			made.Data = append(made.Data, '\n')
		}
		if t.opts.Format == "lines" {
			made.Data = appendLine(made.Data, e.Data)
		} else {
			made.Data = append(made.Data, e.Data...)
		}
	}
	if t.opts.Format == "array" {
		made.Data = append(made.Data, ']')
	}
	emit(made)
	return nil
}

// appendLine appends JSON without line breaks, which can only be between tokens.
func appendLine(dst, data []byte) []byte {
	for _, b := range data {
		if b == '\n' || b == '\r' {
			b = ' '
		}
		dst = append(dst, b)
	}
	return dst
}

// latest returns the last event of each key, and all events without a key, in order.
func latest(events []*event.Event) (out []*event.Event) {
	seen := map[string]bool{}
	for _, e := range slices.Backward(events) {
		if e.Key == "" || !seen[e.Key] {
			out = append(out, e)
		}
		seen[e.Key] = true
	}
	slices.Reverse(out)
	return out
}
