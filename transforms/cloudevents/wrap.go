package cloudevents

import (
	"encoding/base64"
	"fmt"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/rawjson"
)

const specVersion = "1.0"

// envelope returns the CloudEvent around e's payload: JSON stands in data as it is,
// other text as text, and bytes in data_base64.
func (w *wrap) envelope(e *event.Event) ([]byte, error) {
	b := append(make([]byte, 0, len(e.Data)+300), `{"specversion":"`+specVersion+`"`...)
	member := func(name, value string) {
		b = rawjson.AppendText(append(append(append(b, `,"`...), name...), `":`...), value)
	}
	id := e.ID
	if id == "" {
		id = w.env.NewID()
	}
	member("id", id)
	for _, a := range []struct {
		name     string
		value    expr.Template
		required bool
	}{{"source", w.opts.Source, true}, {"type", w.opts.Type, true}, {"subject", w.opts.Subject, false}} {
		if a.value.IsZero() {
			continue
		}
		value, err := w.eval.Append(nil, a.value, e)
		if err != nil {
			return nil, fmt.Errorf("ce_%s: %w", a.name, err)
		}
		if len(value) == 0 && a.required {
			return nil, fmt.Errorf("ce_%s: the template `%s` gives nothing, and a CloudEvent must have a %s", a.name, a.value, a.name)
		}
		if len(value) > 0 {
			member(a.name, string(value))
		}
	}
	member("time", e.Time.UTC().Format(time.RFC3339Nano))
	switch {
	case rawjson.Valid(e.Data) && utf8.Valid(e.Data):
		member("datacontenttype", "application/json")
		b = append(append(b, `,"data":`...), e.Data...)
	case utf8.Valid(e.Data):
		member("datacontenttype", "text/plain; charset=utf-8")
		member("data", string(e.Data))
	default:
		member("datacontenttype", "application/octet-stream")
		member("data_base64", base64.StdEncoding.EncodeToString(e.Data))
	}
	return append(b, '}'), nil
}
