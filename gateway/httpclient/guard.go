package httpclient

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

// Guard decides to which addresses a plugin may connect: public ones, and those that are allowed. It prevents
// server-side request forgery: an endpoint, or the DNS record of its name, may point into the gateway's own
// network.
type Guard struct{ guardian *ssrf.Guardian }

// NewGuard returns a guard that permits public addresses and the networks of allow.
func NewGuard(allow []options.Network) Guard {
	var v4, v6 []netip.Prefix
	for _, n := range allow {
		if p := n.Prefix(); p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return Guard{ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))}
}

// InternalError is the error of a connection that [Guard.Control] has refused.
type InternalError struct{ Address string }

// Error is part of [error].
func (e *InternalError) Error() string {
	return fmt.Sprintf("%s is an internal address, and the option allow does not list it", e.Address)
}

// Control is the Control function of a [net.Dialer]. It checks the resolved address of each connection, and
// returns an [*InternalError] for one that is not permitted.
func (g Guard) Control(network, address string, c syscall.RawConn) error {
	if err := g.guardian.Safe(network, address, c); err != nil {
		return &InternalError{address}
	}
	return nil
}

// InternalAddress returns the address in a URL if it is internal and not allowed, else "". A host name may be
// resolved to such an address, too: only [Guard.Control] detects that.
func (g Guard) InternalAddress(u options.URL) string {
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
	if err != nil || !errors.Is(g.guardian.SafeAddr(addr), ssrf.ErrProhibitedIP) {
		return ""
	}
	return addr.String()
}
