package options

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Network is a network, or one address, as 10.0.0.0/8 or 10.1.2.3.
type Network struct{ prefix netip.Prefix }

// NewNetwork returns the Network that text denotes. It is for texts that are known to be valid.
func NewNetwork(text string) Network {
	var n Network
	must(n.UnmarshalText([]byte(text)))
	return n
}

// Prefix returns the network; a single address has a prefix of full length.
func (n Network) Prefix() netip.Prefix { return n.prefix }

// Contains reports whether an address is in the network. An IPv4-mapped IPv6 address counts as the IPv4
// address.
func (n Network) Contains(addr netip.Addr) bool { return n.prefix.Contains(addr.Unmap()) }

func (n Network) String() string {
	if !n.prefix.IsValid() {
		return ""
	}
	return n.prefix.String()
}

// UnmarshalText reads an address, or a network in CIDR notation (RFC 4632).
func (n *Network) UnmarshalText(b []byte) error {
	text := string(b)
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		n.prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return fmt.Errorf("%q is not an address or a network: write 10.1.2.3 or 10.0.0.0/8", text)
	}
	n.prefix = p.Masked()
	return nil
}

// OptionType names the type in tables.
func (Network) OptionType() string { return "network" }

// IsLoopback reports whether host, with or without a port, is a loopback address or
// localhost.
func IsLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// ClientNetwork returns the address by which a client is counted: an IPv4 address, or the first one of the /64 network of an IPv6
// address, because a host can use all addresses of its network.
func ClientNetwork(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return addr
}
