package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"eventgateway/gateway/expr"
	"eventgateway/gateway/httpclient"
	"eventgateway/gateway/options"
)

var methods = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// reserved are the headers that the sink or the protocol sets.
var reserved = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Expect"}

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	for i, key := range o.Secrets {
		if _, err := newSigner(key); err != nil {
			report("secrets["+strconv.Itoa(i)+"]", err.Error())
		}
	}
	if method, fixed := o.Method.Literal(); fixed && !slices.Contains(methods, method) {
		report("method", "must be "+strings.Join(methods, ", ")+", or an expression that gives one of them")
	}
	o.checkURL(report)
	seen := map[string]bool{}
	for _, h := range o.Headers {
		name := http.CanonicalHeaderKey(h.Key)
		twice := seen[name] || name == "Authorization" && hasUser(o.URL)
		seen[name] = true
		var t expr.Template
		err := t.UnmarshalText([]byte(h.Value.Reveal()))
		switch {
		case err != nil:
			report("headers."+h.Key, "holds an expression that is wrong, or a {{ without its }}; it is not repeated here, since headers count as secrets")
		case twice:
			report("headers."+h.Key, "is there already")
		case !isToken(h.Key):
			report("headers."+h.Key, "is not the name of a header")
		case o.sets(name):
			report("headers."+h.Key, "is set by the gateway itself")
		case strings.ContainsAny(h.Value.Reveal(), "\r\n\x00"):
			report("headers."+h.Key, "must not hold line breaks")
		}
	}
	switch {
	case o.CloudEvents != none && o.CEType.IsZero():
		report("ce_type", "is required for CloudEvents: the specification asks for a type")
	case o.CloudEvents != none && o.CESource.IsZero():
		report("ce_source", "is required for CloudEvents: the specification asks for a source")
	case o.CloudEvents == none && !o.CEType.IsZero():
		report("ce_type", "is for CloudEvents: write cloudevents: binary, or structured")
	case o.CloudEvents == none && !o.CESubject.IsZero():
		report("ce_subject", "is for CloudEvents: write cloudevents: binary, or structured")
	}
	if !o.TLS.IsZero() && o.URL.Scheme() == "http" {
		report("tls", "is for an https:// URL")
	}
}

// expression matches an expression in a template.
var expression = regexp.MustCompile(`\{\{.*?\}\}`)

// checkURL checks url, path and proxy.
func (o *Options) checkURL(report func(option, text string)) {
	base, err := url.Parse(o.URL.Reveal())
	if err != nil {
		return // the decoder of the option reports it
	}
	if port, err := strconv.Atoi(base.Port()); base.Port() != "" && (err != nil || port < 1 || port > 65535) {
		report("url", "must have a port from 1 to 65535")
	}
	if base.Fragment != "" {
		report("url", "has a #fragment, which is never sent: leave it out")
	}
	if strings.Contains(o.URL.Reveal(), "{{") {
		report("url", "holds an expression: these stand in path, which comes behind it")
	}
	if strings.Contains(expression.ReplaceAllString(o.Path.String(), "x"), "#") {
		report("path", "has a #fragment, which is never sent: leave it out")
	} else if _, err := join(base, expression.ReplaceAllString(o.Path.String(), "x")); err != nil {
		report("path", err.Error())
	}
	if address := httpclient.NewGuard(o.Allow).InternalAddress(o.URL); address != "" && o.Proxy.IsZero() {
		report("url", fmt.Sprintf("is an internal address: write allow: [%q] beside it, if that is meant", address))
	}
	if p, err := url.Parse(o.Proxy.Reveal()); !o.Proxy.IsZero() && (err != nil || p.Host == "") {
		report("proxy", "names no host")
	}
}

func hasUser(u options.URL) bool {
	parsed, err := url.Parse(u.Reveal())
	return err == nil && parsed.User != nil
}

// sets reports whether the sink sets a header of this canonical name itself.
func (o *Options) sets(name string) bool {
	return slices.Contains(reserved, name) || strings.HasPrefix(name, "Webhook-") ||
		o.CloudEvents == binary && strings.HasPrefix(name, "Ce-") || o.CloudEvents == structured && name == "Content-Type"
}

// isToken reports whether name can name a header (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	for _, c := range name {
		if c <= ' ' || c > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c) {
			return false
		}
	}
	return name != ""
}
