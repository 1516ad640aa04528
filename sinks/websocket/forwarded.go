package websocket

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// address returns where a request comes from: of those that its proxies name, the last that is
// not a proxy of ours. What is before it anybody may have written. A proxy that sets one of the
// headers X-Forwarded-For and Forwarded passes the other on as the client has written it: where
// both are there and differ, the request counts as the proxy's.
func (g *clientLimits) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !g.trusted(host) {
		return host
	}
	listed, elements := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	by := g.behind(host, strings.Split(strings.Join(listed, ","), ","))
	if len(elements) == 0 {
		return by
	}
	other := g.behind(host, forwardedFor(strings.Join(elements, ",")))
	if len(listed) > 0 && by != other {
		return host
	}
	return other
}

// behind goes back from a proxy along the nodes that proxies have appended.
func (g *clientLimits) behind(host string, nodes []string) string {
	for i := len(nodes) - 1; i >= 0 && g.trusted(host); i-- {
		next, ok := node(nodes[i])
		if !ok {
			break
		}
		host = next
	}
	return host
}

// node returns the address of a node as proxies write it: with a port or without, an IPv6 address
// in brackets or without.
func node(text string) (host string, ok bool) {
	text = strings.TrimSpace(text)
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.String(), true
	}
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	} else if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	return addr.String(), true
}

// forwardedFor returns the parameter for of each element of the header Forwarded (RFC 7239), ""
// where an element has none.
func forwardedFor(header string) (nodes []string) {
	for _, element := range splitQuoted(header, ',') {
		of := ""
		for _, pair := range splitQuoted(element, ';') {
			if name, value, ok := strings.Cut(pair, "="); ok && strings.EqualFold(strings.TrimSpace(name), "for") {
				of = unquote(strings.TrimSpace(value))
			}
		}
		nodes = append(nodes, of)
	}
	return nodes
}

// splitQuoted splits at separators that do not stand in a quoted string.
func splitQuoted(text string, separator byte) (parts []string) {
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == separator && !quoted:
			parts, from = append(parts, text[from:i]), i+1
		}
	}
	return append(parts, text[from:])
}

// unquote returns what a quoted string holds. No escape is needed in an address.
func unquote(text string) string {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}
