package webhook

import (
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// TestTraceHeaders proves that a request has the trace of its write, else that of its event, and only a valid one.
func TestTraceHeaders(t *testing.T) {
	const parent, write = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"
	url, requests := heard(t)
	own := options.Map[options.Secret]{{Key: "traceparent", Value: options.NewSecret("own")}}
	for name, c := range map[string]struct {
		attrs                 []event.Attr
		write                 string
		headers               options.Map[options.Secret]
		wantParent, wantState string
	}{
		"of the event":        {[]event.Attr{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "a=1,b=2"}}, "", nil, parent, "a=1,b=2"},
		"of the write":        {[]event.Attr{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "a=1"}}, write, nil, write, "a=1"},
		"none":                {[]event.Attr{{Name: "tracestate", Value: "a=1"}}, "", nil, "", ""},
		"invalid":             {[]event.Attr{{Name: "traceparent", Value: "00-x\r\nX-Evil: 1"}}, "", nil, "", ""},
		"an invalid state":    {[]event.Attr{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "a=1\r\nX-Evil: 1"}}, "", nil, parent, ""},
		"a state of 600":      {[]event.Attr{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: strings.Repeat("a", 600)}}, "", nil, parent, ""},
		"a configured header": {[]event.Attr{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "a=1"}}, write, own, "own", ""},
	} {
		s := made(t, Options{URL: options.NewURL(url), Headers: c.headers})
		ctx := t.Context()
		if c.write != "" {
			ctx = plugin.WithTraceParent(ctx, c.write)
		}
		if err := s.Write(ctx, []*event.Event{{Attrs: c.attrs, Data: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
		_ = s.(plugin.Closer).Close(ctx)
		h := (<-requests).Header
		if h.Get("Traceparent") != c.wantParent || h.Get("Tracestate") != c.wantState || h.Get("X-Evil") != "" || len(h["Traceparent"]) > 1 {
			t.Errorf("%s: headers %v", name, h)
		}
	}
}
