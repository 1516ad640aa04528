package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// maxResponse is how many bytes of a response are read, for its error message
// and so that the connection can be used again.
const maxResponse = 1 << 10

type sink struct {
	opts    Options
	name    string
	signers []signer
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	client  *http.Client
}

// MaxBatch is part of [plugin.Batcher]: one event is one request.
func (s *sink) MaxBatch() int { return 1 }

// Close is part of [plugin.Closer].
func (s *sink) Close(context.Context) error {
	s.client.CloseIdleConnections()
	return nil
}

// Write is part of [plugin.Sink].
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	for i, e := range events {
		if err := s.send(ctx, e); err != nil {
			failed := map[int]error{i: err}
			for j := i + 1; j < len(events); j++ {
				failed[j] = errors.New("waits for the one before it")
			}
			return &plugin.Partial{Failed: failed}
		}
	}
	return nil
}

func (s *sink) send(ctx context.Context, e *event.Event) error {
	req, err := http.NewRequestWithContext(ctx, s.opts.Method, s.opts.URL.Reveal(), bytes.NewReader(e.Data))
	if err != nil {
		return plugin.Permanent(fmt.Errorf("cannot make a request to %s", s.opts.URL.Origin()))
	}
	req.Header.Set("Content-Type", contentType(e.Data))
	req.Header.Set("User-Agent", "eventgateway")
	for _, h := range s.opts.Headers {
		req.Header.Set(h.Key, h.Value.Reveal())
	}
	id, timestamp := visible(messageID(e)), strconv.FormatInt(time.Now().Unix(), 10) // of this attempt
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", timestamp)
	if len(s.signers) > 0 {
		req.Header.Set("Webhook-Signature", signature(s.signers, id, timestamp, e.Data))
	}
	req.Header.Set("Webhook-Attempt-Id", rand.Text())
	resp, err := s.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // it repeats the URL, password and all
			err = ue.Err
		}
		return fmt.Errorf("%s %s: %w", s.opts.Method, s.opts.URL.Origin(), err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	return s.verdict(resp, body)
}

// verdict says what a status means: only 2xx is a success. A body that the receiver
// calls wrong will not become right, and neither will a redirect's target: the event
// is parked. Everything else, a missing right or page too, can be mended there.
func (s *sink) verdict(resp *http.Response, body []byte) error {
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	err := fmt.Errorf("%s %s answered %s: %.200q", s.opts.Method, s.opts.URL.Origin(), resp.Status, body)
	switch code {
	case http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return plugin.Permanent(err)
	}
	if code < 400 {
		return plugin.Permanent(err)
	}
	return plugin.RetryAfter(err, retryAfter(resp.Header.Get("Retry-After"), time.Now()))
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 is none.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(n, 0), 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// messageID is the event's own ID. Where its source has none to give it is made
// of what the event is, so that it is the same on every attempt.
func messageID(e *event.Event) string {
	if e.ID != "" {
		return e.ID
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00", e.Source, e.Channel, e.Time.UnixNano())
	h.Write(e.Data)
	return "msg_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// visible percent-encodes what cannot stand in a header.
func visible(id string) string {
	if strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }) < 0 {
		return id
	}
	var b strings.Builder
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func contentType(data []byte) string {
	switch {
	case json.Valid(data):
		return "application/json"
	case utf8.Valid(data):
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
