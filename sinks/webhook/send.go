package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"eventgateway/gateway/cloudevent"
	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

const (
	// maxResponse is how much of the body of a response is kept, for the error message.
	maxResponse = 1 << 10
	// maxDrained is how much of it is read in all, and maxDraining for how long, so that
	// the connection can be used again.
	maxDrained  = 64 << 10
	maxDraining = time.Second
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
	return s.verdict(req, resp, excerpt(resp))
}

// bounded is an error of the connection, of which the other side may have made what it
// says: cut, without control characters, and without what only it was told.
func (s *sink) bounded(req *http.Request, err error) error {
	text := err.Error()
	shown := strings.Map(visible, text[:min(len(text), maxResponse)])
	if shown = s.redact(req, shown); shown == text {
		return err
	}
	return errors.New(shown)
}

// excerpt returns how the body of a response begins, and is done with it. A body that is
// long, or takes long, costs the connection.
func excerpt(resp *http.Response) []byte {
	defer resp.Body.Close()
	if resp.ContentLength == 0 {
		return nil
	}
	enough := time.AfterFunc(maxDraining, func() { resp.Body.Close() })
	defer enough.Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained)
	return body
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
	pause := retryAfter(resp.Header.Get("Retry-After"), time.Now())
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

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 is none.
func retryAfter(value string, now time.Time) time.Duration {
	n, err := strconv.Atoi(value)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then n is the largest, or the smallest
		return time.Duration(min(max(n, 0), 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
