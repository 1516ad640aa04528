package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"

	"eventgateway/gateway/options"
)

// guardian knows which addresses may be connected to: public ones, and those of allow.
// Whoever may name an endpoint, or its name server, could reach into this network otherwise.
func guardian(allow []options.Network) *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	for _, n := range allow {
		if p := n.Prefix(); p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// errInternal is the error of a connection that was not made.
type errInternal struct{ address string }

func (e errInternal) Error() string {
	return fmt.Sprintf("%s is an internal address, and the option allow does not list it", e.address)
}

// controlOf refuses addresses that the guardian does not let pass: as they were resolved, at
// the moment of connecting.
func controlOf(g *ssrf.Guardian) func(network, address string, c syscall.RawConn) error {
	return func(network, address string, c syscall.RawConn) error {
		if err := g.Safe(network, address, c); err != nil {
			return errInternal{address}
		}
		return nil
	}
}

// internal says which internal address a URL names itself, or "".
func internal(u options.URL, g *ssrf.Guardian) string {
	parsed, err := url.Parse(u.Reveal())
	if err != nil {
		return ""
	}
	host := strings.TrimSuffix(parsed.Hostname(), ".")
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	addr = addr.Unmap().WithZone("")
	if err != nil || !errors.Is(g.SafeAddr(addr), ssrf.ErrProhibitedIP) {
		return ""
	}
	return addr.String()
}
