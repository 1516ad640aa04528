package webhook

import (
	"net/http"
	"net/url"
	"strings"
)

// How long a text must be for it to be taken for a secret: shorter ones are found in what
// has nothing to do with them.
const (
	shortestPassword = 4
	shortestToken    = 8
	shortestSegment  = 16 // of a path
)

// redact replaces, in what a receiver says, what only it was told: some repeat the whole
// request, and errors are shown.
func (s *sink) redact(req *http.Request, text string) string {
	hide := func(shortest int, secrets ...string) {
		for _, secret := range secrets {
			if len(secret) >= shortest {
				text = strings.ReplaceAll(text, secret, "***")
			}
		}
	}
	if u := s.base.User; u != nil {
		password, has := u.Password()
		if !has {
			password = u.Username() // it may be a token
		}
		hide(shortestPassword, password, strings.TrimPrefix(s.basicAuth, "Basic "))
	}
	hide(shortestToken, s.base.RawQuery)
	for _, values := range s.base.Query() {
		hide(shortestToken, values...)
		for _, v := range values {
			hide(shortestToken, url.QueryEscape(v))
		}
	}
	hide(shortestSegment, strings.Split(s.base.EscapedPath(), "/")...)
	for _, h := range s.headers {
		hide(shortestToken, req.Header.Get(h.name))
		hide(shortestToken, strings.Fields(req.Header.Get(h.name))...) // Bearer ...
	}
	hide(shortestToken, req.Header["Webhook-Signature"]...)
	return text
}
