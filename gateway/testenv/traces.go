package testenv

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TraceReceiver is a receiver of OTLP over HTTP. It reads requests with the types that OpenTelemetry has generated of the protocol.
type TraceReceiver struct {
	URL string // of the server, without a path

	mu       sync.Mutex
	t        testing.TB
	spans    []Span
	requests []*http.Request
	bodies   bytes.Buffer
	answer   func(http.ResponseWriter) // nil: 200
}

// Span is a span as it has arrived, with its IDs as hexadecimal text.
type Span struct {
	*tracepb.Span
	TraceID, ID, Parent string
	Attrs               map[string]string
	Resource            map[string]string
}

// NewTraceReceiver starts a receiver, which ends with the test.
func NewTraceReceiver(t testing.TB) *TraceReceiver {
	t.Helper()
	r := &TraceReceiver{t: t}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// SetAnswer makes the receiver answer with f, and take no spans; with nil it takes them.
func (r *TraceReceiver) SetAnswer(f func(http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// ServeHTTP is part of [http.Handler].
func (r *TraceReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	answer := r.answer
	r.requests = append(r.requests, req)
	r.mu.Unlock()
	if answer != nil {
		answer(w)
		return
	}
	body, err := decodeBody(req)
	var data tracepb.TracesData // has the fields of an ExportTraceServiceRequest
	if err == nil {
		err = proto.UnmarshalOptions{}.Unmarshal(body, &data)
	}
	if err == nil && len(data.ProtoReflect().GetUnknown()) > 0 {
		err = fmt.Errorf("unknown fields in a request")
	}
	if err != nil {
		r.t.Errorf("a request of traces: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies.Write(body)
	for _, of := range data.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, Span{s, hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId),
					attributes(s.Attributes), attributes(of.Resource.GetAttributes())})
			}
		}
	}
}

// decodeBody returns the body of a request without its compression.
func decodeBody(req *http.Request) ([]byte, error) {
	if req.Header.Get("Content-Type") != "application/x-protobuf" || req.Header.Get("Content-Encoding") != "gzip" {
		return nil, fmt.Errorf("the headers are %v", req.Header)
	}
	z, err := gzip.NewReader(req.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func attributes(list []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range list {
		switch v := a.Value.GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			m[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			m[a.Key] = fmt.Sprint(v.IntValue)
		default:
			m[a.Key] = fmt.Sprintf("%T", v)
		}
	}
	return m
}

// Spans returns the spans that have arrived.
func (r *TraceReceiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// Requests returns the requests that have arrived. Their bodies were read.
func (r *TraceReceiver) Requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*http.Request(nil), r.requests...)
}

// Contains reports whether a text is anywhere in the requests that were taken.
func (r *TraceReceiver) Contains(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.bodies.Bytes(), []byte(text))
}

// Await waits until a span has arrived for which is returns true, and returns the first one.
func (r *TraceReceiver) Await(t testing.TB, what string, is func(Span) bool) (found Span) {
	t.Helper()
	Eventually(t, Wait, what, func() bool {
		for _, s := range r.Spans() {
			if is(s) {
				found = s
				return true
			}
		}
		return false
	}, func() string {
		text := "that these have arrived:"
		for _, s := range r.Spans() {
			text += fmt.Sprintf(" %s of trace %s (%v)", s.Name, s.TraceID, s.Attrs)
		}
		return text
	})
	return found
}
