package admin

import (
	"context"
	"net/http"
	"time"

	"eventgateway/gateway/internal/letters"
	"eventgateway/gateway/internal/tap"
)

// DryRun shows what would become of a letter at the place to, or where it has failed if that is "". It writes nothing.
type DryRun func(ctx context.Context, l *letters.Letter, to string) (DryRunResult, error)

// DryRunResult is what would become of a letter.
type DryRunResult struct {
	Place string     `json:"place"`          // to which it would be sent: "sink NAME" or "route NAME"
	From  string     `json:"from,omitempty"` // the transform at which it would begin; "" is the beginning of the route
	Items []tap.Item `json:"items"`          // what the transforms would make of it, and the outcome
	Sinks []Received `json:"sinks"`          // the sinks that would get an event
	// Failed is why its route would fail again; "" if it would not.
	Failed string `json:"failed,omitempty"`
}

// Received is what a sink would get.
type Received struct {
	Sink     string            `json:"sink"`
	Payloads []letters.Payload `json:"payloads"`
}

func (a *Admin) dryRunLetter(w http.ResponseWriter, r *http.Request) error {
	l, err := a.letter(r)
	if err != nil {
		return err
	}
	var body letterBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	if body.Data != nil {
		l.Data = *body.Data
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(dryRunTimeout + time.Second)) // it fails only for a broken connection
	ctx, cancel := context.WithTimeout(r.Context(), dryRunTimeout)
	defer cancel()
	result, err := a.DryRun(ctx, &l, body.To)
	if err != nil {
		return requestError{err}
	}
	writeJSON(w, http.StatusOK, result)
	return nil
}
