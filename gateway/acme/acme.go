// Package acme has the options of ACME (RFC 8555), the protocol by which a program gets certificates from an authority, and the
// interface of a client. The client itself is too large for the program gateway; see gateway/full/acmeclient.
package acme

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"
)

// Client obtains the certificates of one listener, and renews them.
type Client interface {
	// Run obtains certificates and renews them until ctx ends. An error of the authority does not end it.
	Run(ctx context.Context)
	// Set replaces the options, and makes Run repeat failed attempts at once. It does not block. Certificates of names that the
	// options still have stay in use.
	Set(o Options)
	// Certificate returns the certificate for a handshake, or for a challenge. It fails while there is none.
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Status returns the state of each name, in the order of the options.
	Status() []Status
}

// Status is the state of the certificate of one name.
type Status struct {
	Domain   string
	NotAfter time.Time // of the certificate in use; zero: there is none
	// Err says why the last attempt to obtain or renew it failed; nil after a success, and before the first attempt.
	Err error
}

// Env is what the gateway gives to a client.
type Env struct {
	Log *slog.Logger
	// Address is that of the listener, whose handshakes call Client.Certificate.
	Address netip.AddrPort
}

// New returns a client for checked options. It does no I/O.
type New func(o Options, env Env) Client
