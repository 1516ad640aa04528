package acmeclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	problem "github.com/mholt/acmez/v3/acme"

	"eventgateway/gateway/acme"
	"eventgateway/gateway/plugin"
)

// stopTimeout bounds how long Run waits for attempts after its end. An attempt may be in a write to a folder that does not answer.
const stopTimeout = 3 * time.Second

// Run is part of [acme.Client].
func (c *client) Run(ctx context.Context) {
	ended := make(chan struct{})
	running := 0
	for ctx.Err() == nil {
		due, next := c.due(time.Now())
		for _, domain := range due {
			running++
			plugin.Go(func() error { return c.attempt(ctx, domain) }, func(err error) {
				c.finish(ctx, domain, err)
				ended <- struct{}{}
			})
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		case <-ended:
			running--
		}
		timer.Stop()
	}
	stopped := make(chan struct{})
	plugin.Go(func() error {
		for range running {
			<-ended
		}
		c.cache.Stop()
		certmagic.CleanUpOwnLocks(context.WithoutCancel(ctx), c.zap)
		return nil
	}, func(error) { close(stopped) })
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		c.env.Log.Warn("attempt to obtain a certificate has not ended at the stop")
	}
}

// due returns the names to try now, and the time until another one is due. It marks these names as being tried.
func (c *client) due(now time.Time) (domains []string, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next = time.Hour
	for domain, n := range c.names {
		switch wait := n.next.Sub(now); {
		case n.trying || n.directory == c.options.Directory: // what was obtained is renewed by certmagic
		case wait > 0:
			next = min(next, wait)
		default:
			n.trying = true
			domains = append(domains, domain)
		}
	}
	return domains, next
}

// withoutReplaces is the number of attempts for which certmagic orders a certificate without naming the one that it replaces. An
// authority that has replaced another one at the same address does not know the old certificate, and would refuse the order.
var withoutReplaces = 2

// attempt loads the certificate of a name from the folder, or obtains it.
func (c *client) attempt(ctx context.Context, domain string) error {
	c.mu.Lock()
	magic, directory := c.magic, c.options.Directory
	if n := c.names[domain]; n != nil && n.failures > 0 {
		ctx = context.WithValue(ctx, certmagic.AttemptsCtxKey, &withoutReplaces)
	}
	c.mu.Unlock()
	if err := magic.ObtainCertSync(ctx, domain); err != nil { // it does nothing if the folder has one
		return err
	}
	cert, err := c.use(ctx, magic, domain)
	if err == nil && cert.NeedsRenewal(magic) { // its renewal has failed before, or no gateway has run for long
		if err = magic.RenewCertSync(ctx, domain, false); err == nil {
			cert, err = c.use(ctx, magic, domain)
		}
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	n := c.names[domain]
	if n != nil {
		n.directory = directory
	}
	c.mu.Unlock()
	if n == nil { // the options have lost the name meanwhile
		c.cache.Remove([]string{cert.Hash()})
	}
	return nil
}

// use loads the certificate of a name from the folder, in the place of the one in use.
func (c *client) use(ctx context.Context, magic *certmagic.Config, domain string) (certmagic.Certificate, error) {
	before := c.cache.AllMatchingCertificates(domain)
	cert, err := magic.CacheManagedCertificate(ctx, domain)
	if err != nil {
		return cert, err
	}
	for _, old := range before {
		if old.Hash() != cert.Hash() {
			c.cache.Remove([]string{old.Hash()})
		}
	}
	return cert, nil
}

// finish notes the result of an attempt, and when the next one is.
func (c *client) finish(ctx context.Context, domain string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.names[domain]
	if n == nil || ctx.Err() != nil {
		return
	}
	n.trying = false
	if err == nil {
		n.failures, n.err = 0, nil
		return
	}
	c.fail(domain, n, err)
}

// fail notes that a name has failed, and when Run tries it again. The caller holds mu.
func (c *client) fail(domain string, n *name, err error) {
	if refused := errors.As(err, new(problem.Problem)); refused != n.refused {
		n.refused, n.failures = refused, 0
	}
	err = errors.New(strings.NewReplacer("["+domain+"] ", "", "Obtain: ", "", "Renew: ", "").Replace(err.Error())) // certmagic repeats them
	n.failures++
	wait := pause(n.failures, n.refused)
	n.err, n.directory, n.next = err, "", time.Now().Add(wait)
	c.env.Log.Error("certificate not obtained or renewed", "domain", domain, "attempt", n.failures, "retry_in", wait.Round(time.Second).String(), "error", err)
	c.signal()
}

// signal makes Run check which names are due.
func (c *client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// pause returns the pause after a number of failures of one kind. An authority that has refused a name gets few attempts: it
// bounds how often that may be in an hour.
func pause(failures int, refused bool) time.Duration {
	first, longest := time.Second, 10*time.Minute
	if refused {
		first, longest = time.Minute, time.Hour
	}
	d := min(first<<min(failures-1, 10), longest)
	return d - d/4 + rand.N(d/2)
}

var _ acme.New = New
