package tracing

import (
	"net/http"
	"net/url"
	"strings"

	"eventgateway/gateway/options"
)

// Options are the options of tracing: which spans are recorded, and their receiver.
type Options struct {
	Endpoint options.URL                 `koanf:"endpoint" rule:"scheme=http|https" doc:"URL of a receiver of OTLP over HTTP, such as http://collector:4318; empty: no traces"`
	Headers  options.Map[options.Secret] `koanf:"headers" doc:"additional headers of its requests, such as a token"`
	TLS      options.TLS                 `koanf:"tls"`
	Sample   options.Ratio               `koanf:"sample" doc:"part of the traces that begin in the gateway which is recorded, such as 0.1 or 10%"`
	Resource options.Map[string]         `koanf:"resource" doc:"attributes of the resource, such as deployment.environment.name: production"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"endpoint": "Without a path, the path is /v1/traces",
		"sample":   "A trace that an application has begun is recorded if its traceparent says so",
		"resource": "service.name is eventgateway unless it is set here",
	}
}

// DefaultOptions returns the defaults, with which tracing is off.
func DefaultOptions() Options { return Options{Sample: 1} }

// Enabled reports whether spans are recorded.
func (o *Options) Enabled() bool { return !o.Endpoint.IsZero() }

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if u, err := url.Parse(o.Endpoint.Reveal()); o.Enabled() && (err != nil || u.Host == "") {
		report("endpoint", "is not a URL that can be requested")
	}
	for _, h := range o.Headers {
		if !validHeader(h.Key, h.Value.Reveal()) {
			report("headers."+h.Key, "is not a header of HTTP")
		}
	}
	if _, option, err := o.TLS.Config(); err != nil {
		report(options.Join("tls", option), err.Error())
	}
}

// validHeader reports whether a request may have the header.
func validHeader(name, value string) bool {
	token := func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
	}
	return name != "" && !strings.ContainsFunc(name, token) && !strings.ContainsAny(value, "\r\n\x00") && !reserved[http.CanonicalHeaderKey(name)]
}

// reserved are headers that describe the body.
var reserved = map[string]bool{"Content-Type": true, "Content-Encoding": true, "Content-Length": true, "Host": true, "Transfer-Encoding": true}
