// Package cloudevent converts events to CloudEvents: version 1.0.2 of the specification, its
// JSON Event Format, and its HTTP Protocol Binding.
package cloudevent

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/rawjson"
)

// SpecVersion is the attribute specversion.
const SpecVersion = "1.0"

// StructuredType is the content type of a CloudEvent in JSON.
const StructuredType = "application/cloudevents+json; charset=utf-8"

// Templates are the templates of the attributes that users configure.
type Templates struct{ Type, Source, Subject expr.Template }

// Attributes are the attributes of one CloudEvent. Subject may be empty.
type Attributes struct {
	ID, Source, Type, Subject string
	Time                      time.Time
	ContentType               string // of the data
}

// Attributes evaluates the templates for an event. Its error names the attribute.
func (t Templates) Attributes(eval *expr.Evaluator, e *event.Event, id string) (Attributes, error) {
	a := Attributes{ID: id, Time: e.Time, ContentType: ContentType(e.Data)}
	for _, one := range []struct {
		name     string
		template expr.Template
		to       *string
		required bool
	}{{"source", t.Source, &a.Source, true}, {"type", t.Type, &a.Type, true}, {"subject", t.Subject, &a.Subject, false}} {
		value, err := eval.Append(nil, one.template, e)
		if err != nil {
			return a, fmt.Errorf("ce_%s: %w", one.name, err)
		}
		if len(value) == 0 && one.required {
			return a, fmt.Errorf("ce_%s: the template `%s` gives nothing, and a CloudEvent must have a %s", one.name, one.template, one.name)
		}
		*one.to = string(value)
	}
	return a, nil
}

// Each calls yield with the name and value of each attribute except the content type.
func (a Attributes) Each(yield func(name, value string)) {
	yield("specversion", SpecVersion)
	yield("id", a.ID)
	yield("source", a.Source)
	yield("type", a.Type)
	if a.Subject != "" {
		yield("subject", a.Subject)
	}
	yield("time", a.Time.UTC().Format(time.RFC3339Nano))
}

// Structured returns the CloudEvent in JSON. data is embedded unchanged if it is JSON, and as a string if it is other
// text; bytes that are not UTF-8 are in data_base64.
func (a Attributes) Structured(data []byte) []byte {
	b := append(make([]byte, 0, len(data)+300), '{')
	member := func(name, value string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = rawjson.AppendText(append(append(append(b, '"'), name...), `":`...), value)
	}
	a.Each(member)
	member("datacontenttype", a.ContentType)
	switch a.ContentType {
	case typeJSON:
		b = append(append(b, `,"data":`...), data...)
	case typeText:
		member("data", string(data))
	default:
		member("data_base64", base64.StdEncoding.EncodeToString(data))
	}
	return append(b, '}')
}

const (
	typeJSON  = "application/json"
	typeText  = "text/plain; charset=utf-8"
	typeBytes = "application/octet-stream"
)

// ContentType returns the content type of data.
func ContentType(data []byte) string {
	switch {
	case !utf8.Valid(data):
		return typeBytes
	case rawjson.Valid(data):
		return typeJSON
	}
	return typeText
}

// HeaderValue returns the value of an attribute encoded for an HTTP header (HTTP Protocol Binding,
// section 3.1.3.2): space, ", %, and all that is not visible ASCII are percent-encoded.
func HeaderValue(value string) string {
	if strings.IndexFunc(value, encoded) < 0 {
		return value
	}
	var b strings.Builder
	for _, c := range []byte(value) {
		if encoded(rune(c)) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func encoded(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '%' }
