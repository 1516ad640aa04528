package websocket

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"golang.org/x/time/rate"

	"eventgateway/gateway/options"
)

// Limits bounds the resources that clients may use. 0 is no bound.
type Limits struct {
	Clients           int               `koanf:"clients" rule:"min=0" doc:"bound of the connected clients; 0: none"`
	PerAddress        int               `koanf:"per_address" rule:"min=0" doc:"bound of the connected clients from one address, or IPv6 network of 64 bits; 0: none"`
	Handshakes        int               `koanf:"handshakes" rule:"min=0" doc:"bound of the new clients in a second; 0: none"`
	Messages          int               `koanf:"messages" rule:"min=0" doc:"bound of the messages in a second from one client, which is disconnected with code 1008 beyond; 0: none"`
	Subscriptions     int               `koanf:"subscriptions" rule:"min=0" doc:"bound of the subscriptions of one client; 0: none"`
	FiltersPerAddress int               `koanf:"filters_per_address" rule:"min=0" doc:"bound of those subscriptions of the clients from one address that max_topics bounds"`
	FilterTime        options.Duration  `koanf:"filter_time" rule:"min=0s,max=1s" doc:"evaluation time of a filter in a second, averaged over ten seconds"`
	FilterMemory      options.Size      `koanf:"filter_memory" rule:"min=1MiB" doc:"memory of all subscriptions with channels or a filter; and of all their slow clients"`
	TrustedProxies    []options.Network `koanf:"trusted_proxies" doc:"addresses or networks (10.0.0.0/8) of proxies, whose X-Forwarded-For or Forwarded is trusted"`
}

// Docs is part of [options.Documented].
func (Limits) Docs() map[string]string {
	return map[string]string{
		"per_address":         "Behind a proxy all clients have its address, unless trusted_proxies lists it",
		"filters_per_address": "0: a quarter of max_topics. Behind a proxy all clients have its address, unless trusted_proxies lists it",
		"filter_time":         "Beyond it the filter is ended, and its clients are disconnected with code 1008. The address that created it gets no new filter for five seconds; 0s: no bound",
		"filter_memory":       "Each subscription has an equal share. Beyond it, a client that resumes waits until its messages are found in the history again",
	}
}

// clientLimits counts clients, and refuses those beyond the limits. Its methods need sink.mu.
type clientLimits struct {
	limits     Limits
	handshakes *rate.Limiter // nil: no bound
	clients    int
	addresses  map[string]int
}

func newClientLimits(limits Limits) *clientLimits {
	l := &clientLimits{limits: limits, addresses: map[string]int{}}
	if limits.Handshakes > 0 {
		l.handshakes = rate.NewLimiter(rate.Limit(limits.Handshakes), limits.Handshakes)
	}
	return l
}

var errTooManyClients = errors.New("too many clients: try again later")

// acquire counts a client, or returns an error and the status of the answer.
func (l *clientLimits) acquire(address string) (status int, err error) {
	switch {
	case l.limits.Clients > 0 && l.clients >= l.limits.Clients:
		return http.StatusServiceUnavailable, errTooManyClients
	case l.limits.PerAddress > 0 && l.addresses[address] >= l.limits.PerAddress:
		return http.StatusTooManyRequests, fmt.Errorf("too many clients from %s: close some of them", address)
	case l.handshakes != nil && !l.handshakes.Allow():
		return http.StatusTooManyRequests, errTooManyClients
	}
	l.clients++
	l.addresses[address]++
	return 0, nil
}

// release counts a client no more.
func (l *clientLimits) release(address string) {
	l.clients--
	if l.addresses[address]--; l.addresses[address] <= 0 {
		delete(l.addresses, address)
	}
}

// limitKey returns the key by which an address is counted.
func limitKey(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	return options.ClientNetwork(addr).String()
}

// trusted reports whether a host is a trusted proxy.
func (l *clientLimits) trusted(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, proxy := range l.limits.TrustedProxies {
		if proxy.Contains(addr) {
			return true
		}
	}
	return false
}
