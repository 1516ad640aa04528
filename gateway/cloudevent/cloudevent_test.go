package cloudevent

import (
	"net/url"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
)

// TestHeaderValue proves the example of the specification, and that decoding returns the value.
func TestHeaderValue(t *testing.T) {
	if got := HeaderValue("Euro € 😀"); got != "Euro%20%E2%82%AC%20%F0%9F%98%80" {
		t.Error(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		encoded := HeaderValue(value)
		for _, c := range []byte(encoded) {
			if c <= ' ' || c > '~' || c == '"' {
				t.Fatalf("%q", encoded)
			}
		}
		if back, err := url.PathUnescape(encoded); err != nil || back != value {
			t.Fatalf("%q came back as %q, %v", value, back, err)
		}
	})
}

func TestAttributes(t *testing.T) {
	eval := expr.NewEvaluator(time.Now, expr.NewUUID)
	e := &event.Event{Source: "db", Channel: "orders", Data: []byte(`{"operation":"INSERT"}`), Time: time.Unix(0, 5e8)}
	templates := Templates{Type: expr.MustTemplate("order.{{ operation }}"), Source: expr.MustTemplate("/{{ event.source }}")}
	a, err := templates.Attributes(&eval, e, "7")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(a.Structured(e.Data)), `{"specversion":"1.0","id":"7","source":"/db","type":"order.INSERT","time":"1970-01-01T00:00:00.5Z","datacontenttype":"application/json","data":{"operation":"INSERT"}}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	templates.Type = expr.MustTemplate("{{ nothing }}")
	if _, err := templates.Attributes(&eval, e, "7"); err == nil {
		t.Error("a CloudEvent without a type")
	}
}
