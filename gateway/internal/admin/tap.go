package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/internal/tap"
)

const (
	defaultTapLimit = 10 // events per second
	// tapCountsEvery is the time between two events with counts, which also show that the connection works.
	tapCountsEvery = 2 * time.Second
	// tapWriteTimeout bounds one write to a viewer.
	tapWriteTimeout = 10 * time.Second
)

// serveTap sends what passes a component, as server-sent events: event with a [tap.Item], counts with [tap.Counts], and
// end with a reason. It ends when the client has disconnected, or its credentials have no role any more.
func (a *Admin) serveTap(w http.ResponseWriter, r *http.Request) {
	o, err := tapOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v, err := a.Router.Taps().Watch(r.URL.Query().Get("at"), o)
	var unknown *tap.UnknownError
	switch {
	case errors.As(err, &unknown):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		w.Header().Set("Retry-After", "10")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer v.Close()
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("X-Accel-Buffering", "no")
	header.Set("X-Content-Type-Options", "nosniff")
	s := &tapStream{w: w, control: http.NewResponseController(w)}
	_ = s.control.SetReadDeadline(time.Time{}) // http.limits.read would end the request
	if s.send("counts", v.Counts()) != nil {
		return
	}
	a.follow(r, v, s, a.stillValid(r))
}

// stillValid returns a function that reports whether the credentials of a request, which were right, still are. A text that was
// signed for a command or a link is valid for the connection as long as the secret is the same.
func (a *Admin) stillValid(r *http.Request) (valid func() bool) {
	begun := a.secret()
	if given := bearer(r); given != "" && !begun.IsZero() && !begun.equal(given) {
		return func() bool { return a.secret().equal(begun.Reveal()) }
	}
	return func() bool {
		who, busy := a.authenticate(r)
		return who.role != NoRole || busy || a.open()
	}
}

// follow sends items to the viewer, until the viewer ends or the credentials are not valid any more.
func (a *Admin) follow(r *http.Request, v *tap.Viewer, s *tapStream, valid func() bool) {
	for {
		ctx, cancel := context.WithTimeout(r.Context(), tapCountsEvery)
		var err error
		for err == nil && ctx.Err() == nil {
			item := v.Next(ctx)
			if item == nil {
				break
			}
			err = s.send("event", item)
		}
		cancel()
		reason := v.Ended()
		if reason == "" && !valid() {
			reason = "the credentials are not valid any more"
		}
		switch {
		case err != nil || r.Context().Err() != nil:
			return
		case reason != "":
			_ = s.send("end", map[string]string{"reason": reason}) // an error means that the client is gone
			return
		}
		if s.send("counts", v.Counts()) != nil {
			return
		}
	}
}

// tapOptions returns the options in the query of a request.
func tapOptions(r *http.Request) (o tap.Options, err error) {
	q := r.URL.Query()
	o.Limit = defaultTapLimit
	if text := q.Get("limit"); text != "" {
		if o.Limit, err = strconv.Atoi(text); err != nil || o.Limit < 1 || o.Limit > tap.MaxLimit {
			return o, fmt.Errorf("limit is the number of events per second: write a number from 1 to %d", tap.MaxLimit)
		}
	}
	if text := q.Get("filter"); text != "" {
		if o.Filter, err = expr.CompileFilter(text); err != nil {
			return o, fmt.Errorf("filter: %w", err)
		}
	}
	return o, nil
}

// tapStream writes server-sent events.
type tapStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *tapStream) send(name string, v any) error {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // it has no line breaks, except the last
		return err
	}
	b.WriteByte('\n')
	if err := s.control.SetWriteDeadline(time.Now().Add(tapWriteTimeout)); err != nil {
		return err
	}
	if _, err := s.w.Write(b.Bytes()); err != nil {
		return err
	}
	return s.control.Flush()
}
