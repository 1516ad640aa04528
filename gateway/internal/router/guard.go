package router

import (
	"context"
	"fmt"
	"time"

	"eventgateway/gateway/plugin"
)

// protect calls f, a method of the plugin, and turns a panic into an error without secrets.
func (c *component) protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.health.panicked(c.redactor.Text(fmt.Sprint(p)))
			err = fmt.Errorf("panic: %v", p)
		}
		err = c.redactor.Error(err)
	}()
	return f()
}

// bounded calls f, a method of the plugin, in a goroutine of its own, with a context that ends
// after d; at once where d is negative. It gives f up where it does not return soon after that.
func (c *component) bounded(ctx context.Context, method string, d time.Duration, f func(context.Context) error) error {
	d = max(d, 0)
	ctx, cancel := context.WithTimeout(ctx, d)
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- c.protect(func() error { return f(ctx) })
	}()
	late := time.NewTimer(d + boundedGrace)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
		return c.overdue(method)
	}
}

// boundedGrace is how long after its context has ended a method may take to return.
const boundedGrace = time.Second

// boundedTerm is a leadership whose methods return in time, and do not panic.
type boundedTerm struct {
	plugin.Leadership
	of *component
}

func (b boundedTerm) Confirm(ctx context.Context) error {
	return b.of.bounded(ctx, "Confirm", confirmWithin, b.Leadership.Confirm)
}

func (b boundedTerm) Resign() {
	_ = b.of.bounded(context.Background(), "Resign", resignWithin, func(context.Context) error { // what it says is logged
		b.Leadership.Resign()
		return nil
	})
}
