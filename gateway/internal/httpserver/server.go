package httpserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
)

// Options are the options of a Server.
type Options struct {
	Name    string // of the listener, in metrics
	Address string // host:port, or unix:PATH
	// SocketMode has the permissions of a Unix socket.
	SocketMode fs.FileMode
	// Socket listens on Address already; nil: Listen opens it.
	Socket net.Listener
	// Proxies begin their connections with a PROXY header, of version 1 or 2.
	Proxies []netip.Prefix
	Limits  Limits
	Metrics *Metrics
	// Certificates encrypt the listener; nil: it has no TLS.
	Certificates *Certificates
	// Base is the base path behind a proxy, such as /orders; "" for none.
	Base string
	// Urgent reports whether a path is also served in the reserve.
	Urgent func(path string) bool
	// Access gets a line for each request; nil: none.
	Access *AccessLog
}

// maxStreams bounds the requests that one connection of HTTP/2 has at the same time. RFC 9113 advises against a lower
// bound.
const maxStreams = 100

// Server serves one handler on one address.
type Server struct {
	listener *gate
	server   *http.Server
	encrypts bool
	urgent   func(path string) bool
	base     string
	name     string
	access   *AccessLog
	done     chan error
}

// Listen opens the address, which the error names, or takes the socket. No connection is accepted before Start.
func Listen(o Options, log *slog.Logger) (*Server, error) {
	l, err := listen(o)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	s := &Server{
		listener: newGate(l, o.Limits, o.Proxies, o.Metrics.of(o.Name), log),
		server: &http.Server{
			// Hijacking a connection removes these deadlines. The shortest of the first three also bounds a TLS handshake.
			ReadHeaderTimeout: o.Limits.Header, ReadTimeout: o.Limits.Read, WriteTimeout: o.Limits.Write, IdleTimeout: o.Limits.Idle,
			MaxHeaderBytes: maxHeader, ConnContext: withConn,
			ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug),
			Protocols: &http.Protocols{}, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		},
		urgent: o.Urgent, base: o.Base, name: o.Name, access: o.Access,
		done: make(chan error, 1),
	}
	s.server.Protocols.SetHTTP1(true)
	s.server.Protocols.SetHTTP2(true)
	s.server.Protocols.SetUnencryptedHTTP2(true) // for proxies; browsers use it with TLS only
	if o.Certificates != nil {
		s.encrypts, s.server.TLSConfig = true, o.Certificates.config()
	}
	return s, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Encrypts reports whether the server speaks TLS.
func (s *Server) Encrypts() bool { return s.encrypts }

// Start serves h until Shutdown.
func (s *Server) Start(h http.Handler) {
	s.server.Handler = logged{bounded{next: h, urgent: s.urgent, base: s.base}, s.access, s.name}
	go func() {
		if s.encrypts {
			s.done <- s.server.ServeTLS(s.listener, "", "")
		} else {
			s.done <- s.server.Serve(s.listener)
		}
	}()
}

// Discard closes a server that was never started.
func (s *Server) Discard() { _ = s.listener.Close() }

// Shutdown stops accepting, waits for requests under way until ctx ends, and closes the
// other connections. Hijacked connections belong to their handlers.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil { // a connection without a request is not an error
		err = s.server.Close()
	}
	if serr := <-s.done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
