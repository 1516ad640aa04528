package cloudevents

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/cloudevent"
	"eventgateway/gateway/event"
	"eventgateway/gateway/rawjson"
)

type unwrap struct {
	tree                                   rawjson.Tree
	spans                                  []rawjson.Span
	version, id, kind, source, contentType int // nodes of the tree
	data, dataBase64                       int
}

func newUnwrap() *unwrap {
	u := &unwrap{}
	u.version, u.id, u.kind = u.tree.Member(0, "specversion"), u.tree.Member(0, "id"), u.tree.Member(0, "type")
	u.source = u.tree.Member(0, "source")
	u.contentType, u.data, u.dataBase64 = u.tree.Member(0, "datacontenttype"), u.tree.Member(0, "data"), u.tree.Member(0, "data_base64")
	u.spans = make([]rawjson.Span, u.tree.Len())
	return u
}

// Apply is part of [plugin.Transform].
func (u *unwrap) Apply(_ context.Context, e *event.Event, emit func(*event.Event)) error {
	if err := u.tree.Find(e.Data, u.spans); err != nil {
		return err
	}
	if version := u.text(e, u.version); version != cloudevent.SpecVersion {
		return fmt.Errorf("the payload is not a CloudEvent of version %s: specversion is %q", cloudevent.SpecVersion, version)
	}
	if u.text(e, u.id) == "" || u.text(e, u.kind) == "" || u.text(e, u.source) == "" {
		return errors.New("the payload is not a CloudEvent: it has no id, no type, or no source")
	}
	payload, err := u.payload(e)
	if err != nil {
		return err
	}
	inner := e.WithData(payload)
	inner.ID = u.text(e, u.id)
	inner.Attrs = append(slices.Clone(e.Attrs), attributes(e.Data)...)
	emit(inner)
	return nil
}

// text returns a member that is a string, or "".
func (u *unwrap) text(e *event.Event, node int) string {
	if s := u.spans[node]; s.Found() && e.Data[s.From] == '"' {
		return rawjson.Text(s.Of(e.Data))
	}
	return ""
}

func (u *unwrap) payload(e *event.Event) ([]byte, error) {
	data, encoded := u.spans[u.data], u.spans[u.dataBase64]
	if encoded.Found() && e.Data[encoded.From] == 'n' { // null counts as missing
		encoded = rawjson.Span{}
	}
	switch {
	case encoded.Found() && data.Found():
		return nil, errors.New("the CloudEvent has data and data_base64: only one is allowed")
	case encoded.Found() && e.Data[encoded.From] != '"':
		return nil, errors.New("data_base64 is not text")
	case encoded.Found():
		b, err := base64.StdEncoding.DecodeString(u.text(e, u.dataBase64))
		if err != nil {
			return nil, fmt.Errorf("data_base64: %w", err)
		}
		return b, nil
	case !data.Found():
		return []byte("null"), nil
	case e.Data[data.From] == '"' && !isJSON(u.text(e, u.contentType)):
		return []byte(u.text(e, u.data)), nil
	}
	return data.Of(e.Data), nil
}

// isJSON reports whether data of a content type is JSON: a string is then a JSON value. See section
// 3.1 of the JSON Event Format.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "" || media == "application/json" || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "/json")
}

// attributes returns the context attributes of a CloudEvent, sorted by name.
func attributes(envelope []byte) []event.Attr {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(envelope, &members) // an object, as Find has checked
	var attrs []event.Attr
	for name, raw := range members {
		switch name {
		case "specversion", "id", "data", "data_base64":
			continue
		}
		value := string(raw)
		if raw[0] == '"' {
			value = rawjson.Text(raw)
		}
		attrs = append(attrs, event.Attr{Name: "ce_" + name, Value: value})
	}
	slices.SortFunc(attrs, func(a, b event.Attr) int { return strings.Compare(a.Name, b.Name) })
	return attrs
}
