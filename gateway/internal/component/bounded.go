package component

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventgateway/gateway/plugin"
)

// PanicError is a panic in a call of a plugin, which the component's Health has counted. A [plugin.PanicError] is one in a goroutine
// of the plugin, which Health counts when it gets the error.
type PanicError struct{ Value any }

// Error returns the text of the panic.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// IsPanic reports whether err is, or wraps, a panic of a plugin, or of a goroutine that it has started
// by [plugin.Go].
func IsPanic(err error) bool {
	var p *PanicError
	var of *plugin.PanicError
	return errors.As(err, &p) || errors.As(err, &of)
}

// Protect calls f, a method of the plugin, and returns a panic as an error without secrets.
func (c *Component) Protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Health.Panicked(c.Redactor.Text(fmt.Sprint(p)))
			err = &PanicError{p}
		}
		err = c.Redactor.Error(err)
	}()
	return f()
}

// closeGrace is how long after its context has ended a method called by Bounded may take to return.
const closeGrace = time.Second

// Bounded calls f, a method of the plugin, in a goroutine of its own, with a context that ends
// after d; a negative d counts as 0. Where f does not return within a second after that, Bounded
// returns an error, and f goes on alone.
func (c *Component) Bounded(ctx context.Context, method string, d time.Duration, f func(context.Context) error) error {
	d = max(d, 0)
	ctx, cancel := context.WithTimeout(ctx, d)
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- c.Protect(func() error { return f(ctx) })
	}()
	late := time.NewTimer(d + closeGrace)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
		return c.Overdue(method)
	}
}

// Overdue records that a method of the plugin has not returned after its context has ended.
func (c *Component) Overdue(method string) error {
	err := fmt.Errorf("the plugin does not return from %s", method)
	c.Health.Failed(err)
	c.Log.Error("plugin does not return", "method", method)
	return err
}
