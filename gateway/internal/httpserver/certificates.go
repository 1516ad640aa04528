package httpserver

import (
	"crypto/tls"
	"sync/atomic"
)

// Certificates holds the TLS configuration of one listener. It may be replaced while the listener serves: handshakes
// use the one that was set last, and connections stay.
type Certificates struct{ current atomic.Pointer[tls.Config] }

// NewCertificates returns Certificates with a configuration.
func NewCertificates(c *tls.Config) *Certificates {
	s := &Certificates{}
	s.Set(c)
	return s
}

// Set replaces the configuration. c must not be changed afterwards.
func (s *Certificates) Set(c *tls.Config) { s.current.Store(c) }

// config returns the configuration of the server.
func (s *Certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: s.current.Load().NextProtos,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load(), nil },
	}
}
