package webhook

import (
	"net/http"

	"eventgateway/gateway/httpclient"
)

// redact hides, in what a receiver says, the options' secrets and what was made of them for this request.
func (s *sink) redact(req *http.Request, text string) string {
	told := req.Header["Webhook-Signature"]
	for _, h := range s.headers {
		if _, fixed := h.value.Literal(); !fixed {
			told = append(told[:len(told):len(told)], req.Header.Get(h.name))
		}
	}
	return httpclient.Redact(s.secrets, text, told...)
}
