package webhook

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// exchange is the request and the answer of one attempt, for operators. It does not keep the request itself, whose context belongs
// to the Write.
type exchange struct {
	method  string
	target  *url.URL
	header  http.Header
	body    func() (io.ReadCloser, error)
	length  int64
	answer  http.Header // nil: there was none
	excerpt []byte      // of the answer's body
	bytes   int64       // of it; -1: unknown

	url     options.URL
	hidden  []header // of the configuration, which count as secrets
	secrets *options.Redactor
}

// exchange returns what was sent, and received if there was an answer.
func (s *sink) exchange(req *http.Request, resp *http.Response, excerpt []byte) *exchange {
	x := &exchange{method: req.Method, target: req.URL, header: req.Header, body: req.GetBody, length: req.ContentLength, url: s.opts.URL, hidden: s.headers, secrets: s.secrets}
	if resp != nil {
		x.answer, x.excerpt, x.bytes = resp.Header, excerpt, resp.ContentLength
	}
	return x
}

// report reports an attempt. x is nil if nothing was sent.
func (x *exchange) report(id string, began time.Time, status int) plugin.AttemptReport {
	a := plugin.AttemptReport{ID: id, Began: began, Took: time.Since(began), Status: status}
	if x != nil {
		a.Exchange, a.Size = x, x.size()
	}
	return a
}

// size returns the memory that the headers and the excerpt take, about, in bytes.
func (x *exchange) size() int {
	n := 256 + len(x.excerpt)
	for _, h := range []http.Header{x.header, x.answer} {
		for name, values := range h {
			n += len(name) + 64
			for _, v := range values {
				n += len(v)
			}
		}
	}
	return n
}

// maxShownBody bounds what is shown of the body of a request, in bytes.
const maxShownBody = 16 << 10

// Describe is part of [plugin.AttemptExchange]. The configured headers are secrets, and an answer may repeat them. So may it repeat
// a signature.
func (x *exchange) Describe() plugin.AttemptDescription {
	sent := x.header["Webhook-Signature"]
	header := x.header.Clone()
	for _, h := range x.hidden {
		sent = append(sent[:len(sent):len(sent)], header.Get(h.name))
		header.Set(h.name, "***")
	}
	d := plugin.AttemptDescription{
		Target:  x.method + " " + x.shownURL(),
		Request: plugin.AttemptMessage{Header: header, Bytes: int(x.length)},
		Answer:  plugin.AttemptMessage{Bytes: int(x.bytes)},
	}
	if body, err := x.body(); err == nil {
		d.Request.Body, _ = io.ReadAll(io.LimitReader(body, maxShownBody))
	}
	if x.answer == nil {
		return d
	}
	d.Answer.Header = http.Header{}
	for name, values := range x.answer {
		for _, v := range values {
			d.Answer.Header.Add(httpclient.Redact(x.secrets, name, sent...), httpclient.Redact(x.secrets, v, sent...))
		}
	}
	d.Answer.Body = []byte(httpclient.Redact(x.secrets, string(x.excerpt), sent...))
	if d.Answer.Bytes < 0 && len(x.excerpt) < httpclient.MaxExcerpt {
		d.Answer.Bytes = len(x.excerpt)
	}
	return d
}

// shownURL returns the URL of the request, with what the option path has added to it. The path and the query of the option url may be secret.
func (x *exchange) shownURL() string {
	base, err := url.Parse(x.url.Reveal())
	if err != nil {
		return x.url.String()
	}
	added, ok := strings.CutPrefix(x.target.EscapedPath(), strings.TrimRight(base.EscapedPath(), "/"))
	if !ok || x.target.Path == base.Path {
		return x.url.String()
	}
	return strings.TrimRight(x.url.String(), "/") + x.secrets.Text(added)
}
