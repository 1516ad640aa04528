package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	if path, fixed := o.Path.Literal(); fixed {
		if _, err := o.join(path); err != nil {
			report("path", err.Error())
		}
	}
	if address := internal(o.URL, guardian(o.Allow)); address != "" && o.Proxy.IsZero() {
		report("url", fmt.Sprintf("is an internal address: write allow: [%q] beside it, if that is meant", address))
	}
	for _, h := range o.Headers {
		switch {
		case !isToken(h.Key):
			report("headers."+h.Key, "is not the name of a header")
		case o.sets(http.CanonicalHeaderKey(h.Key)):
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
	}
	if (o.TLS.Cert.Path() == "") != (o.TLS.Key.Path() == "") {
		report("tls", "cert and key come together")
	}
}

// sets says whether the sink sets a header of this canonical name itself.
func (o *Options) sets(name string) bool {
	return slices.Contains(reserved, name) || strings.HasPrefix(name, "Webhook-") ||
		o.CloudEvents == binary && strings.HasPrefix(name, "Ce-") || o.CloudEvents == structured && name == "Content-Type"
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
