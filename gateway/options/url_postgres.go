package options

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// parse reads a URL. The host of a PostgreSQL URL may be a list, or the percent-encoded path of a socket. Go does not
// accept these, so parse keeps the host unchanged.
func parse(raw string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !postgresScheme(scheme) {
		return url.Parse(raw)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	hosts := rest[strings.LastIndexByte(rest[:end], '@')+1 : end]
	p, err := url.Parse(scheme + "://" + strings.TrimSuffix(rest[:end], hosts) + rest[end:])
	if err == nil {
		p.Host, err = hosts, checkHosts(hosts)
	}
	return p, err
}

func postgresScheme(scheme string) bool {
	return strings.EqualFold(scheme, "postgres") || strings.EqualFold(scheme, "postgresql")
}

// checkHosts returns an error for an invalid list of hosts, each with or without a port. The error does not repeat the
// list, which may be a part of a password.
func checkHosts(hosts string) error {
	list := strings.Split(hosts, ",")
	for _, one := range list {
		host, port, hasPort := one, "", false
		if strings.HasPrefix(one, "[") {
			address, after, closed := strings.Cut(one[1:], "]")
			if _, err := netip.ParseAddr(address); err != nil || !closed || after != "" && after[0] != ':' {
				return errors.New("invalid IPv6 address in brackets")
			}
			port, hasPort = strings.CutPrefix(after, ":")
		} else {
			host, port, hasPort = strings.Cut(one, ":")
		}
		name, err := url.PathUnescape(host)
		switch n, bad := strconv.ParseUint(port, 10, 16); {
		case hasPort && port != "" && (bad != nil || n == 0):
			return errors.New("invalid port")
		case err != nil:
			return errors.New("invalid URL escape in the host")
		case strings.ContainsAny(name, " \t\r\n\"<>\\^`{|}"):
			return errors.New("invalid character in the host")
		case host == "" && len(list) > 1:
			return errors.New("a host of the list is empty")
		}
	}
	return nil
}
