package websocket

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"golang.org/x/time/rate"

	"eventgateway/gateway/options"
)

// Limits bound what clients may take. 0 is no bound.
type Limits struct {
	Clients           int               `koanf:"clients" rule:"min=0" doc:"clients at the same time"`
	PerAddress        int               `koanf:"per_address" rule:"min=0" doc:"clients at the same time from one address, or IPv6 network of 64 bits"`
	Handshakes        int               `koanf:"handshakes" rule:"min=0" doc:"new clients in a second"`
	Messages          int               `koanf:"messages" rule:"min=0" doc:"messages in a second that one client may send; beyond it is disconnected with code 1008"`
	FiltersPerAddress int               `koanf:"filters_per_address" rule:"min=0" doc:"different subscriptions of channels and filters in which clients of one address may be at the same time"`
	FilterTime        options.Duration  `koanf:"filter_time" rule:"min=0s,max=1s" doc:"time of one core that a filter may take in a second, over ten seconds"`
	FilterMemory      options.Size      `koanf:"filter_memory" rule:"min=1MiB" doc:"bytes that all subscriptions of channels and filters may keep, for clients that come back and for slow ones"`
	TrustedProxies    []options.Network `koanf:"trusted_proxies" doc:"addresses or networks (10.0.0.0/8) of proxies, whose X-Forwarded-For or Forwarded is believed"`
}

// Docs is part of [options.Documented].
func (Limits) Docs() map[string]string {
	return map[string]string{
		"per_address":         "Behind a proxy all have its address, unless trusted_proxies names it",
		"filters_per_address": "0: a quarter of max_topics. Behind a proxy all clients have its address, unless trusted_proxies names it",
		"filter_time":         "Beyond it the filter is ended, and its clients are closed with code 1008. The address for which it was made gets no new one for five seconds; 0s: no bound",
		"filter_memory":       "Each has an equal share, of 256KiB at least",
	}
}

// clientLimits counts clients, and refuses those who are too many. Its methods need the sink's lock.
type clientLimits struct {
	limits     Limits
	handshakes *rate.Limiter // nil: no bound
	clients    int
	addresses  map[string]int
}

func newClientLimits(l Limits) *clientLimits {
	g := &clientLimits{limits: l, addresses: map[string]int{}}
	if l.Handshakes > 0 {
		g.handshakes = rate.NewLimiter(rate.Limit(l.Handshakes), l.Handshakes)
	}
	return g
}

var errTooManyClients = errors.New("too many clients: try again later")

// acquire lets a client in, or says with which status it is sent away.
func (g *clientLimits) acquire(address string) (status int, err error) {
	switch {
	case g.limits.Clients > 0 && g.clients >= g.limits.Clients:
		return http.StatusServiceUnavailable, errTooManyClients
	case g.limits.PerAddress > 0 && g.addresses[address] >= g.limits.PerAddress:
		return http.StatusTooManyRequests, fmt.Errorf("too many clients from %s", address)
	case g.handshakes != nil && !g.handshakes.Allow():
		return http.StatusTooManyRequests, errTooManyClients
	}
	g.clients++
	g.addresses[address]++
	return 0, nil
}

func (g *clientLimits) release(address string) {
	g.clients--
	if g.addresses[address]--; g.addresses[address] <= 0 {
		delete(g.addresses, address)
	}
}

// limitKey returns what an address is counted as: an IPv6 address as its network of 64 bits, for
// one host has all of it.
func limitKey(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() {
		return host
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}

func (g *clientLimits) trusted(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, proxy := range g.limits.TrustedProxies {
		if proxy.Contains(addr) {
			return true
		}
	}
	return false
}
