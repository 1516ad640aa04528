package options

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

// RedactLog returns a handler that passes records to next, with the secrets of current's Redactor
// hidden. It calls current for each record, because a reload changes the secrets.
func RedactLog(next slog.Handler, current func() *Redactor) slog.Handler {
	return &redactingHandler{next, current}
}

type redactingHandler struct {
	next    slog.Handler
	current func() *Redactor
}

// Enabled is part of [slog.Handler].
func (h *redactingHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle is part of [slog.Handler].
func (h *redactingHandler) Handle(ctx context.Context, record slog.Record) error {
	r := h.current()
	if r == nil {
		return h.next.Handle(ctx, record)
	}
	clean := slog.NewRecord(record.Time, record.Level, r.Text(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(r.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs is part of [slog.Handler].
func (h *redactingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	attrs = slices.Clone(attrs)
	for i, r := 0, h.current(); i < len(attrs); i++ {
		attrs[i] = r.attr(attrs[i])
	}
	return &redactingHandler{h.next.WithAttrs(attrs), h.current}
}

// WithGroup is part of [slog.Handler].
func (h *redactingHandler) WithGroup(name string) slog.Handler {
	return &redactingHandler{h.next.WithGroup(name), h.current}
}

// attr returns an attribute without secrets. A value of another type than text becomes text only if its text contains
// a secret.
func (r *Redactor) attr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.Text(a.Value.String()))
	case slog.KindGroup:
		group := slices.Clone(a.Value.Group())
		for i := range group {
			group[i] = r.attr(group[i])
		}
		a.Value = slog.GroupValue(group...)
	case slog.KindAny:
		for _, text := range []string{fmt.Sprintf("%+v", a.Value.Any()), fmt.Sprintf("%s", a.Value.Any())} {
			if shown := r.Text(text); shown != text {
				a.Value = slog.StringValue(shown)
				break
			}
		}
	}
	return a
}
