package cloudevents

import (
	"eventgateway/gateway/cloudevent"
	"eventgateway/gateway/event"
)

// envelope returns the CloudEvent around e's payload.
func (w *wrap) envelope(e *event.Event) ([]byte, error) {
	id := e.ID
	if id == "" {
		id = w.env.NewID()
	}
	templates := cloudevent.Templates{Type: w.opts.Type, Source: w.opts.Source, Subject: w.opts.Subject}
	attrs, err := templates.Attributes(&w.eval, e, id)
	if err != nil {
		return nil, err
	}
	return attrs.Structured(e.Data), nil
}
