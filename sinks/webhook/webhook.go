// Package webhook is the sink webhook: it sends each event to an HTTP endpoint
// in a request of its own.
package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the sink.
type Options struct {
	URL     options.URL                 `koanf:"url" rule:"required,scheme=http|https" doc:"endpoint"`
	Method  string                      `koanf:"method" rule:"oneof=POST|PUT|PATCH" doc:"request method"`
	Headers options.Map[options.Secret] `koanf:"headers" doc:"headers beside those that the sink sets; their values count as secrets"`
	Secrets []options.Secret            `koanf:"secrets" doc:"keys that sign each request (Standard Webhooks): whsec_... that the receiver has too, or whsk_..., whose public part it has. While a key is changed give both, the new one first"`
	Allow   []options.Network           `koanf:"allow" doc:"internal addresses or networks that may be connected to, such as 10.1.2.3 or 10.0.0.0/8; without it only public ones may"`
}

// reserved are the headers that the sink or the protocol sets.
var reserved = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Webhook-Id", "Webhook-Timestamp", "Webhook-Attempt-Id", "Webhook-Signature"}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	for i, key := range o.Secrets {
		if _, err := newSigner(key); err != nil {
			report("secrets["+strconv.Itoa(i)+"]", err.Error())
		}
	}
	if address := internal(o.URL, guardian(o.Allow)); address != "" {
		report("url", fmt.Sprintf("is an internal address: write allow: [%q] beside it, if that is meant", address))
	}
	for _, h := range o.Headers {
		switch {
		case !isToken(h.Key):
			report("headers."+h.Key, "is not the name of a header")
		case slices.Contains(reserved, http.CanonicalHeaderKey(h.Key)):
			report("headers."+h.Key, "is set by the gateway itself")
		case strings.ContainsAny(h.Value.Reveal(), "\r\n\x00"):
			report("headers."+h.Key, "must not hold line breaks")
		}
	}
}

// isToken says whether name may name a header (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	for _, c := range name {
		if c <= ' ' || c > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c) {
			return false
		}
	}
	return name != ""
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("webhook", "Sends each event to an HTTP endpoint.",
		func() Options { return Options{Method: http.MethodPost} }, build).With(plugin.Concurrent, plugin.Durable)
}

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	if _, err := http.NewRequest(o.Method, o.URL.Reveal(), nil); err != nil {
		return nil, &plugin.OptionError{Option: "url", Err: errors.New("is not a URL that can be requested")}
	}
	var signers []signer
	for i, key := range o.Secrets {
		one, err := newSigner(key)
		if err != nil {
			return nil, &plugin.OptionError{Option: "secrets[" + strconv.Itoa(i) + "]", Err: err}
		}
		signers = append(signers, one)
	}
	transport := guarded(guardian(o.Allow))
	return &sink{opts: o, name: env.Name, signers: signers, dial: transport.DialContext, client: &http.Client{
		Transport: transport,
		// A redirect is a failure: its target was configured by nobody.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}
