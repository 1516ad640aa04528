package httpserver

import (
	"crypto/tls"
	"slices"
	"sync/atomic"
)

// ChallengeProtocol is the protocol of a handshake by which an authority checks who has a name (RFC 8737).
const ChallengeProtocol = "acme-tls/1"

// Certificates holds the TLS configuration of one listener. It may be replaced while the listener serves: handshakes
// use the one that was set last, and connections stay.
type Certificates struct {
	current    atomic.Pointer[tls.Config]
	challenges *tls.Config // for handshakes with ChallengeProtocol only; nil: they get no answer of their own
}

// NewCertificates returns Certificates with a configuration.
func NewCertificates(c *tls.Config) *Certificates {
	s := &Certificates{}
	s.Set(c)
	return s
}

// AnswerChallenges answers handshakes with ChallengeProtocol by certificates of get. No client certificate is requested in
// them, because an authority has none. It must be called before the listener serves.
func (s *Certificates) AnswerChallenges(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) {
	s.challenges = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{ChallengeProtocol}, GetCertificate: get}
}

// Set replaces the configuration. c must not be changed afterwards.
func (s *Certificates) Set(c *tls.Config) { s.current.Store(c) }

// config returns the configuration of the server.
func (s *Certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: s.current.Load().NextProtos,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if s.challenges != nil && slices.Equal(hello.SupportedProtos, []string{ChallengeProtocol}) {
				return s.challenges, nil
			}
			return s.current.Load(), nil
		},
	}
}
