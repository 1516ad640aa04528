package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"eventgateway/gateway/httpclient"
)

const (
	defaultPath  = "/v1/traces"
	protobufType = "application/x-protobuf"
	maxAnswer    = 64 << 10
)

// sender makes requests to a receiver of OTLP over HTTP.
type sender struct {
	origin    string // of the endpoint, without secrets
	url       *url.URL
	header    http.Header
	transport *http.Transport
	resource  *resourcepb.Resource
	version   string
}

// retryable marks an error after which the same request may succeed.
type retryable struct {
	err   error
	asked time.Duration // pause that the receiver asks for
}

func (r *retryable) Error() string { return r.err.Error() }
func (r *retryable) Unwrap() error { return r.err }

// newSender returns a sender for valid options.
func newSender(o Options, version string) sender {
	u, err := url.Parse(o.Endpoint.Reveal())
	if err != nil {
		u = &url.URL{}
	}
	s := sender{origin: o.Endpoint.Origin(), url: u, header: http.Header{}, resource: resourceOf(o, version), version: version}
	if u.Path == "" || u.Path == "/" {
		u.Path = defaultPath
	}
	if u.User != nil {
		password, _ := u.User.Password()
		s.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		u.User = nil
	}
	for _, h := range o.Headers {
		s.header.Set(h.Key, h.Value.Reveal())
	}
	s.header.Set("Content-Type", protobufType)
	s.header.Set("Content-Encoding", "gzip")
	s.header.Set("User-Agent", "eventgateway/"+version)
	s.transport = http.DefaultTransport.(*http.Transport).Clone()
	s.transport.Proxy = nil // not the environment's
	s.transport.TLSClientConfig, _, _ = o.TLS.Config()
	return s
}

func (s *sender) close() { s.transport.CloseIdleConnections() }

// encode returns the body of a request with spans.
func (s *sender) encode(batch []*Span) ([]byte, error) {
	message, err := s.marshal(batch)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(message) // a buffer takes all
	_ = z.Close()
	return b.Bytes(), nil
}

// post makes one request. It returns how many spans the receiver has rejected. An error is retryable or final.
func (s *sender) post(ctx context.Context, body []byte) (rejected int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.URL, req.Host, req.Header = s.url, s.url.Host, s.header.Clone()
	// An http.Client would follow redirects to addresses that are not configured.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return 0, &retryable{err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code == http.StatusOK && err == nil:
		return rejectedSpans(answer), nil
	case code >= 200 && code < 300:
		return 0, nil
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		pause := httpclient.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
		return 0, &retryable{err: fmt.Errorf("the receiver answered %s", resp.Status), asked: pause}
	default: // such as 401; the text of the answer may contain secrets
		return 0, fmt.Errorf("the receiver answered %d %s", code, http.StatusText(code))
	}
}
