// Package webhook is the sink webhook: it sends each event to an HTTP endpoint
// in a request of its own.
//
// webhook.go and check.go have its options. request.go makes the request of an event, sign.go signs
// it, and send.go sends it and classifies the response; transport.go connects. attempt.go reports
// each attempt for operators. listen.go is the command `gateway webhook listen`, which verifies requests (verify.go).
package webhook

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"eventgateway/gateway/cloudevent"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Options of the sink.
type Options struct {
	URL         options.URL                 `koanf:"url" rule:"required,scheme=http|https" doc:"endpoint"`
	Path        expr.Template               `koanf:"path" doc:"path appended to the URL's, such as /orders/{{ order.id }}; values are percent-encoded"`
	Method      expr.Template               `koanf:"method" doc:"request method: POST, PUT, PATCH or DELETE; may hold expressions"`
	Headers     options.Map[options.Secret] `koanf:"headers" doc:"additional headers; may hold expressions, as X-Operation: '{{ operation }}', and count as secrets"`
	CloudEvents string                      `koanf:"cloudevents" rule:"oneof=none|binary|structured" doc:"send CloudEvents: binary has the attributes in headers ce-*, structured all in JSON"`
	CEType      expr.Template               `koanf:"ce_type" doc:"for CloudEvents: the attribute type, such as com.example.order.{{ lower(operation) }}"`
	CESource    expr.Template               `koanf:"ce_source" doc:"for CloudEvents: the attribute source, a URI reference"`
	CESubject   expr.Template               `koanf:"ce_subject" doc:"for CloudEvents: the attribute subject; empty: none"`
	Secrets     []options.Secret            `koanf:"secrets" doc:"keys that sign each request (Standard Webhooks): whsec_..., shared with the receiver, or whsk_..., whose public key it has"`
	Allow       []options.Network           `koanf:"allow" doc:"internal addresses or networks that are allowed, such as 10.1.2.3 or 10.0.0.0/8; without it only public ones are"`
	TLS         options.TLS                 `koanf:"tls"`
	Proxy       options.URL                 `koanf:"proxy" rule:"scheme=http|https|socks5" doc:"proxy to go through"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"cloudevents": "The id is that of the webhook",
		"secrets":     "To change a key, give both for a while, the new one first",
		"proxy":       "The proxy then decides which addresses can be reached. The environment's proxy is not used",
	}
}

// Type describes the sink.
func Type() plugin.SinkType {
	return plugin.NewSink("webhook", "Sends each event to an HTTP endpoint.",
		func() Options {
			return Options{
				Method: expr.MustTemplate(http.MethodPost), CloudEvents: none,
				CESource: expr.MustTemplate("/{{ event.source }}/{{ event.channel }}"),
			}
		}, build).With(plugin.Concurrent, plugin.Durable, plugin.ReportsAttempts).WithMaxBatch(1).WithCommand(command())
}

// The forms of CloudEvents.
const (
	none       = "none"
	binary     = "binary"
	structured = "structured"
)

// header is a configured header.
type header struct {
	name  string
	value expr.Template
}

func build(o Options, env plugin.Env) (plugin.Sink, error) {
	base, err := url.Parse(o.URL.Reveal())
	if err != nil || base.Host == "" {
		return nil, &plugin.OptionError{Option: "url", Err: errors.New("is not a URL that can be requested")}
	}
	s := &sink{opts: o, log: env.Log, base: base, secrets: options.NewRedactor(&o), templates: cloudevent.Templates{Type: o.CEType, Source: o.CESource, Subject: o.CESubject}}
	for i, key := range o.Secrets {
		one, err := newSigner(key)
		if err != nil {
			return nil, &plugin.OptionError{Option: "secrets[" + strconv.Itoa(i) + "]", Err: err}
		}
		s.signers = append(s.signers, one)
	}
	for _, h := range o.Headers {
		one := header{name: h.Key}
		if one.value.UnmarshalText([]byte(h.Value.Reveal())) != nil {
			return nil, &plugin.OptionError{Option: "headers." + h.Key, Err: errors.New("holds an expression that is wrong")}
		}
		s.headers = append(s.headers, one)
	}
	if s.transport, err = newTransport(o); err != nil {
		return nil, err
	}
	if u := base.User; u != nil {
		password, _ := u.Password()
		s.basicAuth = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
	}
	s.evals = sync.Pool{New: func() any { e := expr.NewEvaluator(env.Now, env.NewID); return &e }}
	return s, nil
}
