package webhook

import (
	"net/http"

	"eventgateway/gateway/options"
)

// shortestValue is from how many bytes on the value that a header has for an event does not
// show: shorter ones are found in what has nothing to do with them.
const shortestValue = 8

// redact hides, in what a receiver says, what only it was told: some repeat the whole
// request, and errors are shown. What the options hold is hidden, and what was made of them
// for this request.
func (s *sink) redact(req *http.Request, text string) string {
	var made []any
	hide := func(values ...string) {
		for _, v := range values {
			if len(v) >= shortestValue {
				made = append(made, options.NewSecret(v))
			}
		}
	}
	for _, h := range s.headers {
		if _, fixed := h.value.Literal(); !fixed {
			hide(req.Header.Get(h.name))
		}
	}
	hide(req.Header["Webhook-Signature"]...)
	return options.NewRedactor(made...).Text(s.secrets.Text(text))
}
