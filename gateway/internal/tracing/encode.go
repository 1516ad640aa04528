package tracing

import (
	"crypto/rand"
	"os"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// resourceOf returns the resource that describes the gateway, with the attributes of the options.
func resourceOf(o Options, version string) *resourcepb.Resource {
	host, _ := os.Hostname()
	r := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "eventgateway"), text("service.version", version),
		text("service.instance.id", rand.Text()), text("host.name", host)}}
	for _, configured := range o.Resource {
		known := false
		for _, a := range r.Attributes {
			if a.Key == configured.Key {
				a.Value, known = text("", configured.Value).Value, true
			}
		}
		if !known {
			r.Attributes = append(r.Attributes, text(configured.Key, configured.Value))
		}
	}
	return r
}

// marshal returns the message of a request with spans. TracesData has the fields of an ExportTraceServiceRequest, whose package
// would link gRPC.
func (s *sender) marshal(batch []*Span) ([]byte, error) {
	spans := make([]*tracepb.Span, len(batch))
	for i, span := range batch {
		spans[i] = span.message()
	}
	return proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   s.resource,
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "eventgateway", Version: s.version}, Spans: spans}},
	}}})
}

// kinds are the kinds of spans by hop. That of a route is the producer, because the events behind it carry its span.
var kinds = [...]tracepb.Span_SpanKind{
	source: tracepb.Span_SPAN_KIND_CONSUMER, route: tracepb.Span_SPAN_KIND_PRODUCER, sink: tracepb.Span_SPAN_KIND_CLIENT,
}

// message returns the span as a message of the protocol.
func (s *Span) message() *tracepb.Span {
	component := s.hop.String() + " " + s.name
	m := &tracepb.Span{
		TraceId: s.self.TraceID[:], SpanId: s.self.SpanID[:], Flags: uint32(s.self.Flags), Name: component, Kind: kinds[s.hop],
		StartTimeUnixNano: uint64(s.begin.UnixNano()), EndTimeUnixNano: uint64(max(s.end.UnixNano(), s.begin.UnixNano())),
		Attributes: []*commonpb.KeyValue{text("gateway.component", component), integer("messaging.batch.message_count", s.events), text("gateway.outcome", s.outcome)},
	}
	if s.parent != [8]byte{} {
		m.ParentSpanId = s.parent[:]
	}
	for _, n := range s.numbers {
		m.Attributes = append(m.Attributes, integer(n.name, n.value))
	}
	for i := range s.links {
		l := &s.links[i]
		m.Links = append(m.Links, &tracepb.Span_Link{TraceId: l.TraceID[:], SpanId: l.SpanID[:], Flags: uint32(l.Flags)})
	}
	if s.failure != "" {
		m.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: s.failure}
	}
	return m
}

func text(name, value string) *commonpb.KeyValue {
	value = strings.ToValidUTF8(value, "\ufffd") // else the message cannot be encoded
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func integer(name string, value int) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(value)}}}
}

// rejectedSpans returns how many spans the receiver has rejected: partial_success.rejected_spans of an ExportTraceServiceResponse.
func rejectedSpans(answer []byte) int {
	partial, _ := protowire.ConsumeBytes(fieldOf(answer, 1, protowire.BytesType))
	n, _ := protowire.ConsumeVarint(fieldOf(partial, 1, protowire.VarintType))
	return int(n)
}

// fieldOf returns a message from the value of a field on; nil where it has no such field, or is malformed.
func fieldOf(message []byte, field protowire.Number, kind protowire.Type) []byte {
	for len(message) > 0 {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if number == field && typ == kind {
			return message
		}
		if n = protowire.ConsumeFieldValue(number, typ, message); n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}
