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

// Guard knows which addresses may be connected to: public ones, and those that are allowed. Without it,
// anyone who may name an endpoint, or answers for its name, reaches into the gateway's own network.
type Guard struct{ guardian *ssrf.Guardian }

// NewGuard returns a guard that lets the networks of allow pass beside public addresses.
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

// Control is for [net.Dialer]: it refuses addresses as they were resolved, at the moment of connecting. Its
// errors are an [*InternalError].
func (g Guard) Control(network, address string, c syscall.RawConn) error {
	if err := g.guardian.Safe(network, address, c); err != nil {
		return &InternalError{address}
	}
	return nil
}

// InternalAddress returns the internal address that a URL names itself and that is not allowed, or "". A name may
// be resolved to one all the same: only [Guard.Control] sees that.
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
