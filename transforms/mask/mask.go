// Package mask is the transform mask: it hides the values of fields.
package mask

import (
	"context"
	"crypto/sha256"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// Options of the transform.
type Options struct {
	Fields []rawjson.Path `koanf:"fields" rule:"min=1" doc:"fields whose values are hidden, such as order.email; * stands for every member or element: cards.*.number. null stays null"`
	With   string         `koanf:"with" rule:"oneof=text|hash" doc:"what replaces a value: text, or hash, which is the same for equal texts"`
	Text   string         `koanf:"text" doc:"the text, for with: text"`
	Key    options.Secret `koanf:"key" doc:"key of the hash, which is HMAC-SHA-256; without one it is SHA-256, by which guesses of a value can be checked"`
}

// Type describes the transform.
func Type() plugin.TransformType {
	return plugin.NewTransform("mask", "Hides the values of fields of a JSON payload.",
		func() Options { return Options{With: "text", Text: "***"} }, build).With(plugin.KeepsFields)
}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if o.With == "text" && !o.Key.IsZero() {
		report("key", "is for with: hash")
	}
}

func build(o Options, _ plugin.Env) (plugin.Transform, error) {
	t := &transform{opts: o, text: rawjson.AppendText(nil, o.Text)}
	for _, path := range o.Fields {
		t.edit.Add(path, rawjson.Change{Value: t.hide})
		t.shown.Add(path, rawjson.Change{Value: hide})
	}
	return t, nil
}

type transform struct {
	opts  Options
	text  []byte // as JSON
	edit  rawjson.Edit
	shown rawjson.Edit // of Hide
}

// Hide is part of [plugin.Hider].
func (t *transform) Hide(payload []byte) ([]byte, error) { return t.shown.Apply(payload, 0) }

func hide(dst, _ []byte) ([]byte, error) { return append(dst, plugin.Hidden...), nil }

// Apply is part of [plugin.Transform].
func (t *transform) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	data, err := t.edit.Apply(e.Data, 2*sha256.Size)
	if err != nil {
		return err
	}
	emit(e.WithData(data))
	return nil
}

func (t *transform) hide(dst, old []byte) ([]byte, error) {
	switch {
	case old[0] == 'n':
		return append(dst, old...), nil
	case t.opts.With == "text":
		return append(dst, t.text...), nil
	}
	if old[0] == '"' {
		old = []byte(rawjson.Text(old)) // the hash is that of the text, however it is escaped
	}
	if t.opts.Key.IsZero() {
		return rawjson.AppendText(dst, expr.Hash(old)), nil
	}
	return rawjson.AppendText(dst, expr.HMAC(t.opts.Key.Reveal(), old)), nil
}
