package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
)

// hasAdminListener reports whether the admin pages have a listener of their own.
func (g *gateway) hasAdminListener() bool { return g.cfg.HTTP.Admin.Listen != "" }

// listen opens the listeners. A port in use is an error only for a listener with handlers
// of plugins: several gateways without such handlers may run on one host.
func (g *gateway) listen() error {
	sharedLimits, adminLimits := g.limits()
	shared := listener{setting: "http.listen", name: "shared", address: g.cfg.HTTP.Listen, tls: g.cfg.HTTP.TLS, required: g.initial.public > 0}
	public, err := g.openListener(shared, &g.shared, sharedLimits)
	pages := public
	if err == nil && g.hasAdminListener() {
		pages, err = g.openListener(listener{setting: "http.admin.listen", name: "admin", address: g.cfg.HTTP.Admin.Listen, tls: config.SharedTLS{ServerTLS: g.cfg.HTTP.Admin.TLS}}, &g.adminOnly, adminLimits)
	}
	if err == nil {
		err = g.sockets.Unused()
	}
	if err != nil {
		for _, s := range []*httpserver.Server{public, pages} {
			if s != nil {
				s.Discard()
			}
		}
		g.sockets.Close()
		return err
	}
	address := ""
	if pages != nil {
		g.prepareSecret()
		address = pageURL(pages)
	}
	g.announce(address)
	if public != nil {
		g.serve(public, &g.shared)
	}
	if pages != nil && g.hasAdminListener() {
		g.serve(pages, &g.adminOnly)
	}
	return nil
}

func (g *gateway) serve(s *httpserver.Server, h *httpserver.Switch) {
	s.Start(h)
	g.servers = append(g.servers, s)
}

// limits divides the file descriptors between the listeners.
func (g *gateway) limits() (shared, admin httpserver.Limits) {
	o := g.cfg.HTTP.Limits
	shared, admin = httpserver.Divide(httpserver.Descriptors(), g.hasAdminListener())
	if o.Connections > shared.Connections {
		g.log.Warn("http.limits.connections exceeds the limit of open files (ulimit -n)",
			"connections", o.Connections, "possible", shared.Connections)
	} else if o.Connections > 0 {
		shared.Connections = o.Connections
	}
	for _, l := range []*httpserver.Limits{&shared, &admin} {
		l.PerAddress = o.PerAddress
		l.Header, l.Read, l.Write, l.Idle = o.Header.D(), o.Read.D(), o.Write.D(), o.Idle.D()
	}
	admin.PerAddress = 0 // it has few clients, often all behind one address
	return shared, admin
}

func (g *gateway) openListener(l listener, h *httpserver.Switch, limits httpserver.Limits) (*httpserver.Server, error) {
	if h.Len() == 0 {
		return nil, nil
	}
	o := httpserver.Options{
		Name: l.name, Address: l.address, SocketMode: g.cfg.HTTP.SocketMode(), Socket: g.sockets.Take(l.address), Limits: limits, Metrics: g.http,
		Base: strings.TrimSuffix(g.cfg.HTTP.BasePath, "/"), Urgent: admin.Urgent, Access: g.access,
	}
	if l.name == "shared" {
		for _, n := range g.cfg.HTTP.ProxyProtocol {
			o.Proxies = append(o.Proxies, n.Prefix())
		}
	}
	var encrypted *listenerTLS
	if l.tls.Enabled() {
		var err error
		if encrypted, err = newListenerTLS(l.name, strings.TrimSuffix(l.setting, "listen")+"tls", l.tls); err != nil {
			return nil, err
		}
		o.Certificates = encrypted.handshakes
	}
	s, err := httpserver.Listen(o, g.log)
	if err != nil {
		err = fmt.Errorf("%s: %w", l.setting, err)
		if errors.Is(err, syscall.EADDRINUSE) && !l.required {
			g.log.Warn("port in use, running without /metrics, /healthz and /api", "error", err)
			return nil, nil
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; set PORT or %s to another", err, l.setting)
		}
		return nil, err
	}
	if encrypted != nil {
		if err := g.startTLS(encrypted, s.Addr()); err != nil {
			s.Discard()
			return nil, err
		}
		g.encrypted = append(g.encrypted, encrypted)
	}
	g.log.Info("listening", "for", l.setting, "address", s.Addr().String(), "tls", s.Encrypts(), "connections", limits.Connections)
	return s, nil
}

// pageURL returns the URL of a server's pages from this host; "" for a Unix socket, which browsers cannot open.
func pageURL(s *httpserver.Server) string {
	addr, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() || host == "127.0.0.1" || host == "::1" {
		host = "localhost"
	}
	scheme := "http"
	if s.Encrypts() {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(addr.Port)) + "/"
}

// prepareSecret loads or generates the secret of /api, where none is configured. Where no file
// can hold it, it is valid until the gateway ends.
func (g *gateway) prepareSecret() {
	if !g.admin.NeedsSecret() {
		return
	}
	secret, file, err := admin.LoadSecret(os.Getenv, adminPagesOf(g.cfg.HTTP).address)
	if err != nil {
		secret = admin.GenerateSecret()
		g.log.Warn("secret of /api is in memory only: set http.admin.token, or XDG_STATE_HOME to a folder of this user", "error", err)
	} else {
		g.log.Info("secret of /api is in this file", "file", file)
	}
	g.admin.SetGenerated(secret)
}

// announcer returns a function that prints the link to the page. On a terminal the link is
// valid as long as the secret. Elsewhere it goes into a log, which many may read for long:
// there it is valid for an hour.
func (g *gateway) announcer(p embeddedServers) func(page string) {
	return func(page string) {
		if page == "" && p.servers == nil {
			return
		}
		terminal := isTerminal(os.Stderr)
		link := ""
		if page != "" {
			link = g.admin.Link(terminal)
		}
		switch {
		case p.servers != nil:
			p.printBanner(page + link)
		case link == "":
		case terminal:
			fmt.Fprintf(os.Stderr, "\n  status: %s\n\n", page+link)
		default:
			g.log.Info("status page, link valid for an hour", "link", page+link)
		}
	}
}
