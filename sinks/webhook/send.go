package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
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
	log       *slog.Logger
	base      *url.URL
	secrets   *options.Redactor
	basicAuth string // of the URL, or ""
	headers   []header
	templates cloudevent.Templates
	signers   []signer
	evals     sync.Pool // of *expr.Evaluator, since writes are concurrent
	transport *http.Transport
}

// Close is part of [plugin.Closer].
func (s *sink) Close(context.Context) error {
	s.transport.CloseIdleConnections()
	return nil
}

// Write is part of [plugin.Sink]. A batch is one event, which is one request.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	id := rand.Text() // of this attempt
	err := plugin.Attempt(id, s.send(ctx, id, events[0]))
	var own *eventError
	if errors.As(err, &own) {
		return plugin.Attempt(id, plugin.Failed(map[int]error{0: err})) // both: for the event, and for the write
	}
	return err
}

// eventError marks a failure that may be this event's alone.
type eventError struct{ err error }

func (e *eventError) Error() string { return e.err.Error() }
func (e *eventError) Unwrap() error { return e.err }

func (s *sink) send(ctx context.Context, id string, e *event.Event) (err error) {
	connected, begin, status := false, time.Now(), 0
	var x *exchange
	defer func() { plugin.ReportAttempt(ctx, x.report(id, begin, status)) }()
	if s.log.Enabled(ctx, slog.LevelDebug) {
		defer func() { s.logAttempt(ctx, id, e, begin, status, err) }()
	}
	req, err := s.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	}), id, e)
	if err != nil {
		return &eventError{plugin.Permanent(err)}
	}
	// An http.Client would follow redirects to addresses that are not configured.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		x = s.exchange(req, nil, nil)
		err = fmt.Errorf("%s %s: %w", req.Method, s.opts.URL.Origin(), s.sanitize(req, err))
		if connected { // the response is late or broken
			return &eventError{err}
		}
		return err
	}
	status = resp.StatusCode
	excerpt := httpclient.Excerpt(resp)
	x = s.exchange(req, resp, excerpt)
	return s.classify(req, resp, excerpt)
}

// logAttempt logs an attempt, successful or not. The router logs failures, too, but not each of many. The status is 0 if there was
// no response.
func (s *sink) logAttempt(ctx context.Context, id string, e *event.Event, begin time.Time, status int, err error) {
	attrs := []any{"attempt_id", id, "id", messageID(e), "status", status, "duration", time.Since(begin).Round(time.Microsecond).String()}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	s.log.DebugContext(ctx, "attempt ended", attrs...)
}

// sanitize returns an error of the connection, whose text may come from the receiver: shortened,
// without control characters, and without secrets.
func (s *sink) sanitize(req *http.Request, err error) error {
	text := err.Error()
	printable := httpclient.Printable(text)
	if printable = s.redact(req, printable); printable == text {
		return err
	}
	return errors.New(printable)
}

// classify returns the error that a response stands for; only 2xx is a success. 400, 413, 415, 422
// and redirects refuse the event for good. 410 disables the sink. 429 and Retry-After pause it.
// Every other status, such as 401 or 404, is a failure that may be this event's alone, and is
// retried.
func (s *sink) classify(req *http.Request, resp *http.Response, body []byte) error {
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

// redact removes from a text of the receiver the secrets of the options, and the values that were
// made of them for this request.
func (s *sink) redact(req *http.Request, text string) string {
	sentSecrets := req.Header["Webhook-Signature"]
	for _, h := range s.headers {
		if _, fixed := h.value.Literal(); !fixed {
			sentSecrets = append(sentSecrets[:len(sentSecrets):len(sentSecrets)], req.Header.Get(h.name))
		}
	}
	return httpclient.Redact(s.secrets, text, sentSecrets...)
}
