package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"eventgateway/gateway/internal/delivery"
)

// sinkHandler returns a handler that calls next with the sink in the path. It answers 404 if the sink has no such list.
func (a *Admin) sinkHandler(list string, next func(http.ResponseWriter, *http.Request, *delivery.Sink)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		in, runs := a.Router.Inspect("sink", name)
		switch {
		case !runs:
			unknownComponent(w, "sink", name)
		case !slices.Contains(in.Sink.Lists(), list):
			http.Error(w, fmt.Sprintf("a sink of the type %s has no %s", in.Sink.Type.Name(), list), http.StatusNotFound)
		default:
			next(w, r, in.Sink)
		}
	})
}

// serveAttempts answers with a [delivery.AttemptList].
func (a *Admin) serveAttempts(w http.ResponseWriter, _ *http.Request, s *delivery.Sink) {
	writeJSON(w, http.StatusOK, s.Attempts())
}

// serveAttempt answers with a [delivery.AttemptView].
func (a *Admin) serveAttempt(w http.ResponseWriter, r *http.Request, s *delivery.Sink) {
	v, found := s.Attempt(r.PathValue("attempt"))
	if !found {
		http.Error(w, delivery.ErrNoAttempt.Error(), http.StatusNotFound)
		return
	}
	writeJSON(w, http.StatusOK, v)
}

// sendAgainTimeout bounds the answer of sendAgain.
const sendAgainTimeout = 15 * time.Second

// sendAgain sends the events of an attempt again. It answers 200 with the [delivery.AttemptView] of the new attempt, or 202 if the
// events are in the queue and were not sent within ten seconds.
func (a *Admin) sendAgain(w http.ResponseWriter, r *http.Request, s *delivery.Sink) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendAgainTimeout)) // it fails only for a broken connection
	v, done, err := a.Router.SendAgain(r.Context(), s, r.PathValue("attempt"))
	switch {
	case errors.Is(err, delivery.ErrNoAttempt):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, delivery.ErrTooLarge):
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		w.Header().Set("Retry-After", "5")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case !done:
		writeJSON(w, http.StatusAccepted, map[string]any{"queued": true})
	default:
		writeJSON(w, http.StatusOK, v)
	}
}
