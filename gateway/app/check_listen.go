package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/plugin"
)

// queryTimeout bounds the request to the process that has a port.
const queryTimeout = 3 * time.Second

// listener is an address that a gateway of this configuration listens on.
type listener struct {
	setting, name, address string
	tls                    config.SharedTLS
	required               bool // without it the gateway does not start
	admin                  adminPages
	components             []string // "sink bus"
}

// listeners returns the addresses that the gateway listens on.
func (g *gateway) listeners() (list []listener) {
	var components []string
	for _, s := range g.cfg.Graph.Sources {
		components = append(components, "source "+s.Name)
	}
	for _, s := range g.cfg.Graph.Sinks {
		components = append(components, "sink "+s.Name)
	}
	http := g.cfg.HTTP
	admin := adminPagesOf(http)
	if public := g.initial.public > 0; public || !g.hasAdminListener() {
		list = append(list, listener{"http.listen", "shared", http.Listen, http.TLS, public, admin, components})
	}
	if g.hasAdminListener() {
		list = append(list, listener{"http.admin.listen", "admin", http.Admin.Listen, config.SharedTLS{ServerTLS: http.Admin.TLS}, false, admin, components})
	}
	return list
}

// probe finds out whether the gateway can listen on the address. A running gateway with this
// configuration may have it.
func (l listener) probe(ctx context.Context) plugin.Finding {
	err := l.tryListen()
	if err == nil {
		return plugin.Finding{Text: "the port is free: " + l.address}
	}
	f := plugin.Finding{Level: plugin.Warning, Text: err.Error() + "; the gateway goes on without its pages and metrics", Fix: "set PORT or " + l.setting + " to another"}
	if l.required {
		f.Level, f.Text = plugin.Problem, err.Error()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return f
	}
	f.Fix = "ss -ltnp shows who has the port; " + f.Fix
	running, err := queryGateway(ctx, l.admin)
	if err != nil || !slices.Contains(running.listeners, l.name) {
		return f
	}
	var missing []string
	for _, c := range l.components {
		if !slices.Contains(running.components, c) {
			missing = append(missing, c)
		}
	}
	difference := ""
	switch more := len(running.components) - len(l.components); {
	case len(missing) > 0:
		difference = "does not have " + strings.Join(missing, ", ")
	case more > 0:
		difference = fmt.Sprintf("has %d components more", more)
	default:
		return plugin.Finding{Text: "a running gateway with these components has the port: " + l.address}
	}
	return plugin.Finding{
		Level: plugin.Warning, Text: fmt.Sprintf("a running gateway has the port %s; it %s", l.address, difference),
		Fix: "send it SIGHUP to load this configuration, if it reads the same file; for another gateway, set PORT or " + l.setting,
	}
}

// tryListen returns why the gateway cannot listen on the address. It creates no socket.
func (l listener) tryListen() error {
	path, unix := httpserver.SocketPath(l.address)
	if !unix {
		conn, err := net.Listen("tcp", l.address)
		if err == nil {
			_ = conn.Close() // without a connection there is nothing to lose
		}
		return err
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
		return &net.OpError{Op: "listen", Net: "unix", Addr: conn.RemoteAddr(), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	const writeAndSearch = 2 | 1
	if err := syscall.Access(filepath.Dir(path), writeAndSearch); err != nil {
		return fmt.Errorf("no socket can be created in %s: %w", filepath.Dir(path), err)
	}
	return nil
}

// runningGateway describes a running gateway by its metrics, which need no secret.
type runningGateway struct{ listeners, components []string }

var (
	listenerLine  = regexp.MustCompile(`(?m)^gateway_http_connections\{listener="([a-z]+)"\} `)
	componentLine = regexp.MustCompile(`(?m)^gateway_up\{component="([a-z][a-z0-9_]*)",kind="(source|sink)"[,}]`)
)

// queryGateway reads the metrics of the process with the admin pages.
func queryGateway(ctx context.Context, admin adminPages) (g runningGateway, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	resp, err := admin.get(ctx)
	if err != nil {
		return g, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return g, err
	}
	for _, m := range listenerLine.FindAllSubmatch(text, -1) {
		g.listeners = append(g.listeners, string(m[1]))
	}
	for _, m := range componentLine.FindAllSubmatch(text, -1) {
		g.components = append(g.components, string(m[2])+" "+string(m[1]))
	}
	return g, nil
}
