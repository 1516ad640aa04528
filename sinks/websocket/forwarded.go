package websocket

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// address returns the address of the client of a request: the last one in the headers of the proxies that
// is not a trusted proxy. The client may have forged those before it. A proxy that sets one of the
// headers X-Forwarded-For and Forwarded passes the other on unchanged. If both are present and differ,
// the request counts for the address of the proxy.
func (l *clientLimits) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !l.trusted(host) {
		return host
	}
	listed, elements := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	listedClient := l.addressBehind(host, strings.Split(strings.Join(listed, ","), ","))
	if len(elements) == 0 {
		return listedClient
	}
	elementsClient := l.addressBehind(host, forwardedFor(strings.Join(elements, ",")))
	if len(listed) > 0 && listedClient != elementsClient {
		return host
	}
	return elementsClient
}

// addressBehind returns the address behind a proxy. It follows the nodes that trusted proxies have
// appended, from the last one.
func (l *clientLimits) addressBehind(host string, nodes []string) string {
	for i := len(nodes) - 1; i >= 0 && l.trusted(host); i-- {
		next, ok := parseNode(nodes[i])
		if !ok {
			break
		}
		host = next
	}
	return host
}

// parseNode returns the address of a node, which may have a port, and an IPv6 address brackets.
func parseNode(text string) (host string, ok bool) {
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

// forwardedFor returns the parameter "for" of each element of the header Forwarded (RFC 7239), ""
// if an element has none.
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

// splitQuoted splits text at the separators outside of quoted strings.
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

// unquote removes the quotes of a quoted string. It ignores escapes, which addresses and window bits do not need.
func unquote(text string) string {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}
