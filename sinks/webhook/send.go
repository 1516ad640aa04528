package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"eventgateway/gateway/cloudevent"
	"eventgateway/gateway/event"
	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

type sink struct {
	opts      Options
	base      *url.URL
	secrets   *options.Redactor
	basicAuth string // of the URL, or ""
	headers   []header
	templates cloudevent.Templates
	signers   []signer
	evals     sync.Pool // of *expr.Evaluator: writes are concurrent
	transport *http.Transport
}

// Close is part of [plugin.Closer].
func (s *sink) Close(context.Context) error {
	s.transport.CloseIdleConnections()
	return nil
}

// Write is part of [plugin.Sink]. A batch is one event, which is one request.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	err := s.send(ctx, events[0])
	var of *eventError
	if errors.As(err, &of) {
		return plugin.Failed(map[int]error{0: err})
	}
	return err
}

// eventError is one that may well be this event's alone.
type eventError struct{ err error }

func (e *eventError) Error() string { return e.err.Error() }
func (e *eventError) Unwrap() error { return e.err }

func (s *sink) send(ctx context.Context, e *event.Event) error {
	connected := false
	req, err := s.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	}), e)
	if err != nil {
		return &eventError{plugin.Permanent(err)}
	}
	// Not by an http.Client, which would follow redirects: nobody has configured where to.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", req.Method, s.opts.URL.Origin(), s.bounded(req, err))
		if connected { // a hanging or broken answer
			return &eventError{err}
		}
		return err
	}
	return s.verdict(req, resp, httpclient.Excerpt(resp))
}

// bounded is an error of the connection, of which the other side may have made what it
// says: cut, without control characters, and without what only it was told.
func (s *sink) bounded(req *http.Request, err error) error {
	text := err.Error()
	shown := httpclient.Printable(text)
	if shown = s.redact(req, shown); shown == text {
		return err
	}
	return errors.New(shown)
}

// verdict says what a status means: only 2xx is a success. A body that the receiver
// calls wrong will not become right, and neither will a redirect's target: the event
// is parked. 410 ends it all, 429 and whoever asks for a pause mean every event. Everything
// else, a missing right or page too, can be mended there, and may be of this event.
func (s *sink) verdict(req *http.Request, resp *http.Response, body []byte) error {
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	status := strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
	err := fmt.Errorf("%s %s answered %s: %q", req.Method, s.opts.URL.Origin(), status, s.redact(req, string(body)))
	pause := httpclient.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	switch code {
	case http.StatusGone:
		return plugin.Disabling(err)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return &eventError{plugin.Permanent(err)}
	case http.StatusTooManyRequests:
		return plugin.RetryAfter(err, pause)
	}
	switch {
	case code < 400:
		return &eventError{plugin.Permanent(err)}
	case pause > 0:
		return plugin.RetryAfter(err, pause)
	}
	return &eventError{err}
}
