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
	"eventgateway/gateway/internal/httpserver"
)

// dedicated reports whether admin has a listener of its own.
func (g *gateway) dedicated() bool { return g.cfg.HTTP.Admin.Listen != "" }

// pages returns the address of the listener that has admin's pages.
func (g *gateway) pages() string {
	if g.dedicated() {
		return g.cfg.HTTP.Admin.Listen
	}
	return g.cfg.HTTP.Listen
}

// listen opens the listeners. Where nothing but admin is mounted on one, a taken
// port is no reason not to work: several gateways may publish on one machine.
func (g *gateway) listen() error {
	shared, own := g.limits()
	public, err := g.open("http.listen", "shared", g.cfg.HTTP.Listen, &g.shared, shared, g.first.public > 0)
	page := public
	if err == nil && g.dedicated() {
		page, err = g.open("http.admin.listen", "admin", g.cfg.HTTP.Admin.Listen, &g.own, own, false)
	}
	if err != nil {
		if public != nil {
			public.Discard()
		}
		return err
	}
	address := ""
	if page != nil {
		g.unlock()
		address = pageOf(page)
	}
	g.greet(address)
	if public != nil {
		g.serve(public, &g.shared)
	}
	if page != nil && g.dedicated() {
		g.serve(page, &g.own)
	}
	return nil
}

func (g *gateway) serve(s *httpserver.Server, h *httpserver.Switch) {
	s.Start(h)
	g.servers = append(g.servers, s)
}

// limits divides the descriptors between the listeners.
func (g *gateway) limits() (shared, own httpserver.Limits) {
	o := g.cfg.HTTP.Limits
	shared, own = httpserver.Divide(httpserver.Descriptors(), g.dedicated())
	if o.Connections > shared.Connections {
		g.log.Warn("http.limits.connections exceeds the limit of open files (ulimit -n)",
			"connections", o.Connections, "possible", shared.Connections)
	} else if o.Connections > 0 {
		shared.Connections = o.Connections
	}
	for _, l := range []*httpserver.Limits{&shared, &own} {
		l.PerAddress = o.PerAddress
		l.Header, l.Read, l.Write, l.Idle = o.Header.D(), o.Read.D(), o.Write.D(), o.Idle.D()
	}
	own.PerAddress = 0 // few ask there, and all of them for operators
	return shared, own
}

func (g *gateway) open(what, name, addr string, h *httpserver.Switch, limits httpserver.Limits, needed bool) (*httpserver.Server, error) {
	if h.Len() == 0 {
		return nil, nil
	}
	s, err := httpserver.Listen(httpserver.Options{Name: name, Address: addr, Limits: limits, Metrics: g.http, Base: strings.TrimSuffix(g.cfg.HTTP.BasePath, "/"), Urgent: admin.Urgent}, g.log)
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
		if errors.Is(err, syscall.EADDRINUSE) && !needed {
			g.log.Warn("going on without /metrics, /healthz and /api", "error", err)
			return nil, nil
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; set PORT, or %s, to another", err, what)
		}
		return nil, err
	}
	g.log.Info("listening", "for", what, "address", s.Addr().String(), "connections", limits.Connections)
	return s, nil
}

// pageOf returns the address of a server's pages as this machine knows it.
func pageOf(s *httpserver.Server) string {
	addr := s.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() || host == "127.0.0.1" || host == "::1" {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port)) + "/"
}

// unlock makes the secret that opens /api, or reads the one of the last start, where none
// is configured. Where no file can keep it, it counts until the gateway ends.
func (g *gateway) unlock() {
	if !g.admin.NeedsSecret() {
		return
	}
	kept, file, err := admin.KeptSecret(os.Getenv, g.pages())
	if err != nil {
		kept = admin.NewSecret()
		g.log.Warn("the secret that opens /api is kept in memory only: set http.admin.token, or XDG_STATE_HOME to a folder of this user", "error", err)
	} else {
		g.log.Info("secret for /api is in this file", "file", file)
	}
	g.admin.SetMade(kept)
}

// welcome shows where the page is, with what opens its status. On a terminal the link is
// good as long as the secret. Elsewhere it goes into a log, which may be kept for ever and
// read by many: there it is good for an hour.
func (g *gateway) welcome(p private) func(page string) {
	return func(page string) {
		if page == "" && p.servers == nil {
			return
		}
		terminal := isTerminal(os.Stderr)
		link := g.admin.Link(terminal)
		switch {
		case p.servers != nil:
			p.announce(page + link)
		case link == "":
		case terminal:
			fmt.Fprintf(os.Stderr, "\n  status: %s\n\n", page+link)
		default:
			g.log.Info("the status can be opened for an hour by this link, and later by the secret", "link", page+link)
		}
	}
}
