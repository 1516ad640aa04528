package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventgateway/gateway/cloudevent"
	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/plugin"
)

// request returns the signed request of an event for one attempt. Its error is the event's failure: a template of
// the configuration cannot be evaluated for it.
func (s *sink) request(ctx context.Context, attempt string, e *event.Event) (*http.Request, error) {
	eval := s.evals.Get().(*expr.Evaluator)
	defer s.evals.Put(eval)
	method, err := evaluate(eval, "method", s.opts.Method, e, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(methods, method) {
		return nil, fmt.Errorf("method: %.20q is none of %s", method, strings.Join(methods, ", "))
	}
	target, err := s.target(eval, e)
	if err != nil {
		return nil, err
	}
	id := cloudevent.HeaderValue(messageID(e))
	h := make(http.Header, 8+len(s.headers))
	body, err := s.body(eval, e, id, h)
	if err != nil {
		return nil, err
	}
	h["User-Agent"] = []string{"eventgateway"}
	if s.basicAuth != "" {
		h["Authorization"] = []string{s.basicAuth}
	}
	for _, one := range s.headers {
		value, err := evaluate(eval, "header "+one.name, one.value, e, nil)
		if err != nil {
			return nil, err
		}
		h.Set(one.name, httpclient.StripControl(value))
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10) // of this attempt
	h["Webhook-Id"] = []string{id}
	h["Webhook-Timestamp"] = []string{timestamp}
	h["Webhook-Attempt-Id"] = []string{attempt}
	setTraceHeaders(ctx, h, e)
	if e.SpansKeys() { // for receivers that apply changes concurrently
		setKeyHeaders(h, e)
	}
	if len(s.signers) > 0 {
		h["Webhook-Signature"] = []string{signature(s.signers, id, timestamp, body)}
	}
	r, err := http.NewRequestWithContext(ctx, method, "/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.URL, r.Host, r.Header = target, target.Host, h
	return r, nil
}

// setTraceHeaders sets the headers of the trace (W3C Trace Context). Configured headers of these names stay.
func setTraceHeaders(ctx context.Context, h http.Header, e *event.Event) {
	if h.Get("Traceparent") != "" {
		return
	}
	parent := plugin.TraceParent(ctx)
	if parent == "" {
		p, ok := e.TraceParent()
		if !ok {
			return
		}
		parent = p.String()
	}
	h["Traceparent"] = []string{parent}
	if state, ok := e.Attr(event.AttrTraceState); ok && h.Get("Tracestate") == "" && validTraceState(state) {
		h["Tracestate"] = []string{state}
	}
}

// validTraceState reports whether a receiver would take the header, by its length and characters.
func validTraceState(text string) bool {
	return text != "" && len(text) <= 512 && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}

// setKeyHeaders sets the headers with the keys, or the table, that an event must be in order with.
func setKeyHeaders(h http.Header, e *event.Event) {
	h["Webhook-Key"] = []string{cloudevent.HeaderValue(e.Key)}
	if key, ok := e.Attr(event.AttrKeyBefore); ok {
		h["Webhook-Key-Before"] = []string{cloudevent.HeaderValue(key)}
	}
	if table, ok := e.Attr(event.AttrBarrier); ok {
		h["Webhook-Barrier"] = []string{cloudevent.HeaderValue(table)}
	}
}

// body returns the body of the request, and sets the headers that describe it.
func (s *sink) body(eval *expr.Evaluator, e *event.Event, id string, h http.Header) ([]byte, error) {
	if s.opts.CloudEvents == none {
		h["Content-Type"] = []string{cloudevent.ContentType(e.Data)}
		return e.Data, nil
	}
	attrs, err := s.templates.Attributes(eval, e, id)
	if err != nil {
		return nil, err
	}
	if s.opts.CloudEvents == structured {
		h["Content-Type"] = []string{cloudevent.StructuredType}
		return attrs.Structured(e.Data), nil
	}
	h["Content-Type"] = []string{attrs.ContentType}
	attrs.Each(func(name, value string) {
		if name != "id" { // it is encoded already
			value = cloudevent.HeaderValue(value)
		}
		h.Set("Ce-"+name, value)
	})
	return e.Data, nil
}

// evaluate returns the value of a template, whose parts are encoded by encode, if it is not nil. Its
// errors do not contain the template, which may hold a secret.
func evaluate(eval *expr.Evaluator, what string, t expr.Template, e *event.Event, encode func([]byte) []byte) (string, error) {
	if literal, fixed := t.Literal(); fixed {
		return literal, nil
	}
	value, err := eval.AppendEscaped(nil, t, e, encode)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			err = inner
		}
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return string(value), nil
}

// target returns the URL for an event.
func (s *sink) target(eval *expr.Evaluator, e *event.Event) (*url.URL, error) {
	if s.opts.Path.IsZero() {
		return s.base, nil
	}
	path, err := evaluate(eval, "path", s.opts.Path, e, encodeValue)
	if err != nil {
		return nil, err
	}
	u, err := join(s.base, path)
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	return u, nil
}

// join appends a path, and a query, to those of a URL. Percent-encoded characters stay encoded, as
// parts of one segment.
func join(base *url.URL, text string) (*url.URL, error) {
	path, query, _ := strings.Cut(text, "?")
	if strings.Contains(path, emptyValue) {
		return nil, errors.New("an expression is empty, which would name another resource")
	}
	u := *base
	u.RawPath = strings.TrimRight(base.EscapedPath(), "/") + "/" + encodeText(strings.TrimLeft(path, "/"))
	var err error
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil || u.EscapedPath() != u.RawPath {
		return nil, errors.New("is not the path of a URL")
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(u.Path, base.Path), "/") {
		if segment == "." || segment == ".." {
			return nil, fmt.Errorf("must not have a segment %s", segment)
		}
	}
	u.RawQuery = strings.Trim(base.RawQuery+"&"+encodeText(strings.ReplaceAll(query, emptyValue, "")), "&")
	return &u, nil
}

// emptyValue stands for an empty value until its place is known: in a query it is allowed.
const emptyValue = "\x00"

// encodeValue percent-encodes a value, so that it is one segment of a path, or one value of a query.
func encodeValue(value []byte) []byte {
	if len(value) == 0 {
		return []byte(emptyValue)
	}
	return percentEncode(string(value), "")
}

// encodeText percent-encodes characters of the text around the expressions that are allowed neither
// in a path nor in a query (RFC 3986, sections 3.3 and 3.4).
func encodeText(text string) string { return string(percentEncode(text, "!$&'()*+,;=:@/?%")) }

// percentEncode encodes all characters except the unreserved ones of RFC 3986, section 2.3, and
// those of allowed.
func percentEncode(text, allowed string) []byte {
	out := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 || strings.IndexByte(allowed, c) >= 0 {
			out = append(out, c)
		} else {
			out = fmt.Appendf(out, "%%%02X", c)
		}
	}
	return out
}

// messageID returns the event's ID. Without one it returns a hash of the event, which is the same on
// every attempt.
func messageID(e *event.Event) string {
	if e.ID != "" {
		return e.ID
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00", e.Source, e.Channel, e.Time.UnixNano())
	h.Write(e.Data)
	return "msg_" + hex.EncodeToString(h.Sum(nil)[:16])
}
