// Package file is the sink file: it appends events to a file, one line each. Its main use is to
// store dead letters.
package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the sink.
type Options struct {
	Path   string `koanf:"path" rule:"required" doc:"file to append to; its folder must exist"`
	Format string `koanf:"format" rule:"oneof=event|payload" doc:"event is the whole event, as gateway replay reads it"`
	Sync   string `koanf:"sync" rule:"oneof=always|never" doc:"always: each write is synced to the disk, and survives a power failure"`
	Rotate Rotate `koanf:"rotate"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"format": "payload is the payload only, as JSON (text that is no JSON as a JSON string)",
		"sync":   "never: a write ends when the operating system has it, and survives the end of the gateway",
	}
}

// Rotate configures when a file is renamed, and how many renamed files are kept.
type Rotate struct {
	Size options.Size `koanf:"size" doc:"bytes at which the file is renamed, with the time after its name, and a new one begun; 0 is never"`
	Keep int          `koanf:"keep" rule:"min=0" doc:"number of renamed files to keep; older ones are deleted; 0 is all"`
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("file", "Appends events to a file, one line each.",
		func() Options { return Options{Format: "event", Sync: "always", Rotate: Rotate{Size: 100 << 20}} },
		func(o Options, _ plugin.Env) (plugin.Sink, error) { return &sink{opts: o}, nil }).With(plugin.Durable)
}

// Probe is part of [plugin.Prober].
func (s *sink) Probe(context.Context) []plugin.Finding {
	dir := filepath.Dir(s.opts.Path)
	if info, err := os.Stat(s.opts.Path); err == nil && info.Mode().IsRegular() {
		f, err := os.OpenFile(s.opts.Path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return []plugin.Finding{{Level: plugin.Problem, Text: err.Error(), Fix: "chown or chmod the file, so that the gateway's user may write it"}}
		}
		f.Close()
		return []plugin.Finding{{Text: fmt.Sprintf("%s can be written, and has %d bytes", s.opts.Path, info.Size())}, probeSpace(dir)}
	} else if err == nil {
		return []plugin.Finding{{Level: plugin.Problem, Text: s.opts.Path + " is not a file", Fix: "name another path"}}
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return []plugin.Finding{{Level: plugin.Problem, Text: "the folder " + dir + " does not exist", Fix: "mkdir -p " + dir}}
	}
	return []plugin.Finding{{Text: s.opts.Path + " will be created"}, probeSpace(dir)}
}
