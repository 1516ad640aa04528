package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of every connection, so that slow or hostile clients hold nothing for
// long: the time for a request's header, the time between two requests, and the
// header's size in bytes.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// Server serves one handler on one address.
type Server struct {
	listener net.Listener
	server   *http.Server
	done     chan error
}

// Listen opens addr; the error names it. Nothing is accepted before Start.
func Listen(addr string, log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return &Server{
		listener: l,
		server: &http.Server{
			ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		done: make(chan error, 1),
	}, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Start serves h until Shutdown.
func (s *Server) Start(h http.Handler) {
	s.server.Handler = h
	go func() { s.done <- s.server.Serve(s.listener) }()
}

// Shutdown stops accepting, waits for requests under way until ctx ends, and
// then closes what is left. Hijacked connections belong to those who hijacked them.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil { // a connection that never asked anything is no failure
		err = s.server.Close()
	}
	if serr := <-s.done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
