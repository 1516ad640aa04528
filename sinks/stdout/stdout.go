// Package stdout is the sink stdout: it prints events to standard output.
package stdout

import (
	"context"
	"io"
	"os"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin"
)

// Options of the sink.
type Options struct {
	Format   string        `koanf:"format" rule:"oneof=json|pretty|template" doc:"json prints each payload as one line of JSON (text that is no JSON as a JSON string)"`
	Template expr.Template `koanf:"template" doc:"line to print with format template: '{{ operation }} order {{ order.id }}'"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"format": "pretty prints indented JSON in colours; template prints the option template",
	}
}

// Check is part of options.Checker.
func (o *Options) Check(report func(option, text string)) {
	if o.Format == "template" && o.Template.IsZero() {
		report("template", "is required with format: template")
	}
	if o.Format != "template" && !o.Template.IsZero() {
		report("template", "needs format: template")
	}
}

// Type describes the sink.
func Type() plugin.SinkType { return typeFor(os.Stdout) }

// typeFor returns the type with the output w, for tests.
func typeFor(w io.Writer) plugin.SinkType {
	return plugin.NewSink("stdout", "Prints events to standard output.",
		func() Options { return Options{Format: "json"} },
		func(o Options, _ plugin.Env) (plugin.Sink, error) {
			return &sink{opts: o, out: w, color: isTerminal(w)}, nil
		})
}

type sink struct {
	opts  Options
	out   io.Writer
	color bool
	eval  expr.Evaluator
	lines []byte // scratch
}

// Write is part of [plugin.Sink]: one write to the output for the whole batch.
func (s *sink) Write(_ context.Context, events []*event.Event) error {
	failed := map[int]error{}
	s.lines = s.lines[:0]
	for i, e := range events {
		lines, err := s.format(s.lines, e)
		if err != nil {
			failed[i] = plugin.Permanent(err)
			continue
		}
		s.lines = lines
	}
	if _, err := s.out.Write(s.lines); err != nil {
		return plugin.Unavailable(err)
	}
	return plugin.Failed(failed)
}

// isTerminal reports whether w is a terminal, and NO_COLOR is not set (no-color.org).
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
