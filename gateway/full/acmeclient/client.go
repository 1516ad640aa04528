// Package acmeclient obtains certificates by ACME, with certmagic. It stores them in a folder, so that they survive a restart,
// and several gateways may share it.
//
// A certificate is obtained by [client.Run], in a goroutine for each name, which tries again after a pause. certmagic renews it when
// a third of its life is left, or earlier if the authority asks for it (ARI). If that fails, Run tries it again. The old one stays
// in use until then.
package acmeclient

import (
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"eventgateway/gateway/acme"
)

// checkEvery is the time between two checks whether a certificate must be renewed. A test sets a shorter one by -ldflags -X.
var checkEvery = "10m"

// client is the client of one listener.
type client struct {
	env   acme.Env
	zap   *zap.Logger
	cache *certmagic.Cache
	wake  chan struct{} // a name may be due

	mu      sync.Mutex
	options acme.Options
	magic   *certmagic.Config
	names   map[string]*name // those of options
}

// name is the state of one name. The client's mutex guards it.
type name struct {
	trying    bool
	failures  int       // of one kind, since the last success
	refused   bool      // the authority has answered with the failures; else it was not reached
	next      time.Time // when it is tried again
	err       error     // of the last attempt to obtain or renew it
	directory string    // of the certificate in use; "": there is none, or its renewal has failed
}

// New returns a client; it is an [acme.New].
func New(o acme.Options, env acme.Env) acme.Client {
	interval, err := time.ParseDuration(checkEvery)
	if err != nil {
		panic(err) // a mistake of the build
	}
	c := &client{env: env, zap: zap.New(&logCore{log: env.Log}), wake: make(chan struct{}, 1), names: map[string]*name{}}
	c.cache = certmagic.NewCache(certmagic.CacheOptions{
		RenewCheckInterval: interval, Logger: c.zap,
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return c.config(), nil },
	})
	c.Set(o)
	return c
}

// Set is part of [acme.Client].
func (c *client) Set(o acme.Options) {
	magic := c.configure(o)
	c.mu.Lock()
	before := c.names
	c.options, c.magic, c.names = o, magic, map[string]*name{}
	for _, d := range o.Domains {
		n := before[d]
		if n == nil {
			n = &name{}
		}
		n.failures, n.next = 0, time.Time{} // those that have failed are due
		c.names[d] = n
		delete(before, d)
	}
	c.mu.Unlock()
	for d := range before {
		c.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: d}})
	}
	c.signal()
}

// config returns the configuration of certmagic.
func (c *client) config() *certmagic.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.magic
}

// Certificate is part of [acme.Client].
func (c *client) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.config().GetCertificate(hello)
}

// Status is part of [acme.Client].
func (c *client) Status() []acme.Status {
	c.mu.Lock()
	all := make([]acme.Status, len(c.options.Domains))
	for i, d := range c.options.Domains {
		all[i] = acme.Status{Domain: d, Err: c.names[d].err}
	}
	c.mu.Unlock() // the cache calls config with its lock held
	for i, st := range all {
		for _, cert := range c.cache.AllMatchingCertificates(st.Domain) {
			if cert.Leaf.NotAfter.Before(st.NotAfter) {
				continue
			}
			st.NotAfter = cert.Leaf.NotAfter
			if st.Err == nil && time.Until(st.NotAfter) < st.NotAfter.Sub(cert.Leaf.NotBefore)/overdue {
				st.Err = errOverdue
			}
		}
		all[i] = st
	}
	return all
}

// overdue divides the life of a certificate: the renewal is overdue in the last sixth. certmagic renews it in the last third.
const overdue = 6

var errOverdue = errors.New("it expires soon, and its renewal is overdue: look for its domain in the log at level debug")
