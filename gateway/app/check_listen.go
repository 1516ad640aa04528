package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"eventgateway/gateway/plugin"
)

// askTimeout bounds how long the one who has a port is asked who it is.
const askTimeout = 3 * time.Second

// listener is an address that a gateway of this configuration listens on.
type listener struct {
	setting, name, address string
	needed                 bool // without it the gateway does not start
	pages                  string
	components             []string // "sink bus"
}

// listeners lists them.
func (g *gateway) listeners() (list []listener) {
	var components []string
	for _, s := range g.cfg.Graph.Sources {
		components = append(components, "source "+s.Name)
	}
	for _, s := range g.cfg.Graph.Sinks {
		components = append(components, "sink "+s.Name)
	}
	pages := g.pages()
	if public := g.first.public > 0; public || !g.dedicated() {
		list = append(list, listener{"http.listen", "shared", g.cfg.HTTP.Listen, public, pages, components})
	}
	if g.dedicated() {
		list = append(list, listener{"http.admin.listen", "admin", pages, false, pages, components})
	}
	return list
}

// probe says whether the address can be listened on. A gateway of this configuration that runs
// already may have it.
func (l listener) probe(ctx context.Context) plugin.Finding {
	conn, err := net.Listen("tcp", l.address)
	if err == nil {
		_ = conn.Close() // nobody has connected to it
		return plugin.Finding{Text: "the port is free: " + l.address}
	}
	f := plugin.Finding{Level: plugin.Warning, Text: err.Error() + "; the gateway goes on without its pages and metrics", Fix: "set PORT or " + l.setting + " to another"}
	if l.needed {
		f.Level, f.Text = plugin.Problem, err.Error()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return f
	}
	f.Fix = "ss -ltnp shows who has the port; " + f.Fix
	who, err := askGateway(ctx, l.pages)
	if err != nil || !slices.Contains(who.listeners, l.name) {
		return f
	}
	var missing []string
	for _, c := range l.components {
		if !slices.Contains(who.components, c) {
			missing = append(missing, c)
		}
	}
	differs := ""
	switch more := len(who.components) - len(l.components); {
	case len(missing) > 0:
		differs = "does not have " + strings.Join(missing, ", ")
	case more > 0:
		differs = fmt.Sprintf("has %d components more", more)
	default:
		return plugin.Finding{Text: "a gateway with these components runs, and has the port: " + l.address}
	}
	return plugin.Finding{
		Level: plugin.Warning, Text: fmt.Sprintf("a gateway that runs has the port %s; it %s", l.address, differs),
		Fix: "SIGHUP has it load this configuration, where it reads the same file; for another gateway, set PORT or " + l.setting,
	}
}

// gatewayThere is what a gateway that runs says of itself to all who ask.
type gatewayThere struct{ listeners, components []string }

var (
	listenerLine  = regexp.MustCompile(`(?m)^gateway_http_connections\{listener="([a-z]+)"\} `)
	componentLine = regexp.MustCompile(`(?m)^gateway_up\{component="([a-z][a-z0-9_]*)",kind="(source|sink)"\} `)
)

// askGateway asks who listens on an address for its metrics. It shows no secret, goes through no proxy
// and follows no redirect: anybody may listen there.
func askGateway(ctx context.Context, address string) (who gatewayThere, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(address)+"/metrics", nil)
	if err != nil {
		return who, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return who, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return who, err
	}
	for _, m := range listenerLine.FindAllSubmatch(text, -1) {
		who.listeners = append(who.listeners, string(m[1]))
	}
	for _, m := range componentLine.FindAllSubmatch(text, -1) {
		who.components = append(who.components, string(m[2])+" "+string(m[1]))
	}
	return who, nil
}

// reachable returns the address at which this machine reaches one that is listened on.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
