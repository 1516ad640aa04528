package plugintest

import (
	"context"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	ruleUnavailable = "Write returns an error for events that are not delivered, and an unavailable server leads to a retry"
	ruleNoAnswer    = "a server that does not answer leads to a retry"
	ruleReconnects  = "the sink works again after its connections were cut"
	ruleConnections = "Write does not leave one more connection open each time"
	ruleRejected    = "a permanent refusal by the receiver is plugin.Permanent"
	ruleCancelled   = "a call whose context has ended leads to a retry"
	ruleOneAttempt  = "Write makes one attempt: the router retries"
	ruleBusy        = "a busy receiver leads to a retry"
)

// requireRetryable adds a finding for an error after which the router does not retry the events.
func requireRetryable(c *check, method string, err error) {
	requireRetryableForRule(c, c.rule, method, err)
}

func requireRetryableForRule(c *check, rule, method string, err error) {
	if err == errPanicked {
		return
	}
	each, _ := c.outcomes(err, 1)
	if each[0] != nil {
		err = each[0]
	}
	switch {
	case plugin.IsPermanent(err):
		c.addFinding(rule, "%s returns plugin.Permanent, so that the router does not retry the events: %v", method, err)
	case plugin.IsDisabling(err):
		c.addFinding(rule, "%s returns plugin.Disabling, so that the router disables the sink: %v", method, err)
	}
}

// checkUnavailable opens and writes while the server is unavailable.
func (h SinkHarness) checkUnavailable(c *check) {
	if h.Unreachable == nil {
		c.Skip("the harness has no Unreachable")
	}
	i := build(c, h.Type, optionsOf(c, h.Type, h.Unreachable))
	checkLog := i.logCheck()
	if err := openSink(c, i); err != nil {
		checkLog("Open", err)
		requireRetryable(c, "Open", err)
		_ = openSink(c, i) // the router calls Open again after an error
		return
	}
	batch := c.newEvents(0, h.batchSize())
	err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
	checkLog("Write", err)
	if err == nil {
		c.Errorf("Write returns nil while the server is unavailable: the events are lost")
		return
	}
	requireRetryable(c, "Write", err)
}

// checkNoAnswer opens, writes, pings and closes while the server accepts connections and does not answer.
func (h SinkHarness) checkNoAnswer(c *check) {
	if h.Unreachable != nil {
		r, opts := newProxy(c, ""), optionsOf(c, h.Type, h.Unreachable)
		if len(addresses(opts, func(string) string { return r.addr })) > 0 {
			i := build(c, h.Type, opts)
			err := c.callUntilArrival(r, "Open", func(ctx context.Context) error {
				if o, ok := any(i.impl).(plugin.Opener); ok {
					return o.Open(ctx)
				}
				return nil
			})
			if err != nil {
				requireRetryable(c, "Open", err)
			} else if err = c.callUntilArrival(r, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, c.newEvents(0, 1)) }); err == nil {
				c.Errorf("Write returns nil without an answer of the server: the event is lost")
			} else {
				requireRetryable(c, "Write", err)
			}
		}
	}
	r, i := h.openedBehindProxy(c)
	r.freeze(true)
	if err := c.callUntilArrival(r, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, c.newEvents(2, 1)) }); err != nil {
		requireRetryable(c, "Write", err)
	}
	if p, ok := any(i.impl).(plugin.Pinger); ok {
		if err := c.callUntilArrival(r, "Ping", p.Ping); err != nil {
			requireRetryable(c, "Ping", err)
		}
	}
	if closer, ok := any(i.impl).(plugin.Closer); ok {
		i.cancel()
		i.closed = true
		_ = c.await("Close", c.begin("Close", func() error { return closer.Close(endedContext()) }))
	}
	r.freeze(false)
}

// proxyBefore replaces all addresses of this machine in options by one proxy.
func proxyBefore(c *check, opts any) (r *proxy) {
	addresses(opts, func(addr string) string {
		if r == nil {
			r = newProxy(c, addr)
		}
		return r.addr
	})
	if r == nil {
		c.Skip("the options have no address of this machine")
	}
	return r
}

// openedBehindProxy builds and opens a sink behind a proxy, and writes once.
func (h SinkHarness) openedBehindProxy(c *check) (*proxy, *instance[plugin.Sink]) {
	opts := optionsOf(c, h.Type, h.Reachable)
	r := proxyBefore(c, opts)
	i := h.opened(c, opts)
	write(c, i, c.newEvents(0, 1))
	return r, i
}

// callUntilArrival calls a method, and ends its context once the proxy has received something, or after
// 300 ms.
func (c *check) callUntilArrival(r *proxy, method string, f func(context.Context) error) error {
	for len(r.arrived) > 0 {
		<-r.arrived
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := c.begin(method, func() error { return f(ctx) })
	soon := time.NewTimer(300 * time.Millisecond)
	defer soon.Stop()
	select {
	case err := <-done:
		return err
	case <-r.arrived:
	case <-soon.C:
	}
	cancel()
	return c.await(method, done)
}

// checkReconnect cuts the connections during a write, and then retries.
func (h SinkHarness) checkReconnect(c *check) {
	r, i := h.openedBehindProxy(c)
	for n := range 2 {
		r.freeze(true)
		batch := c.newEvents(n, 1)
		ctx, cancel := context.WithTimeout(c.ctx, c.suite.arrivalTimeout)
		done := c.begin("Write", func() error { return i.impl.Write(ctx, batch) })
		select {
		case <-r.arrived:
		case <-time.After(200 * time.Millisecond):
		}
		r.cut()
		r.freeze(false)
		select {
		case err := <-done:
			if err != nil {
				requireRetryable(c, "Write whose connection was cut", err)
			}
		case <-ctx.Done():
			_ = c.await("Write", done)
		}
		cancel()
		var err error
		if !c.poll(func() bool { err = h.writeWithRetry(c, i, n); return err == nil || err == errPanicked }) {
			c.timedOut()
			c.Fatalf("Write still fails after the connections were cut: %v", err)
		}
	}
}

// checkConnections counts connections: a response whose body is not closed keeps its connection.
func (h SinkHarness) checkConnections(c *check) {
	r, i := h.openedBehindProxy(c)
	const writes = 6
	for n := range writes {
		write(c, i, c.newEvents(n, 1))
	}
	if !c.poll(func() bool { return r.open() < writes }) {
		c.Errorf("%d connections are open after %d writes: is the body of a response not read and closed?", r.open(), writes+1)
	}
}

func (h SinkHarness) checkRejected(c *check) {
	if h.Rejecting == nil {
		c.Skip("the harness has no Rejecting")
	}
	h.checkAnswers(c, h.Rejecting, func(err error) {
		if !plugin.IsPermanent(err) && !plugin.IsDisabling(err) {
			c.Errorf("Write returns an error without plugin.Permanent for events that the receiver refuses permanently: %v", err)
		}
	})
}

func (h SinkHarness) checkBusy(c *check) {
	if h.Busy == nil {
		c.Skip("the harness has no Busy")
	}
	h.checkAnswers(c, h.Busy, func(err error) { requireRetryable(c, "Write", err) })
}

func (h SinkHarness) checkAnswers(c *check, set func(any), checkError func(error)) {
	i := h.opened(c, optionsOf(c, h.Type, set))
	batch := c.newEvents(0, h.batchSize())
	checkLog := i.logCheck()
	err := c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
	checkLog("Write", err)
	if err == errPanicked {
		return
	}
	each, _ := c.outcomes(err, len(batch))
	for k, err := range each {
		if err == nil {
			c.Errorf("Write reports event %d as delivered, and the receiver has refused it", k)
			return
		}
		checkError(err)
	}
}

// checkOneAttempt counts the requests of one Write to a busy receiver. A protocol may need several for one event, such as SMTP: a Write to a
// receiver that is not busy shows how many.
func (h SinkHarness) checkOneAttempt(c *check) {
	if h.Busy == nil {
		c.Skip("the harness has no Busy")
	}
	requests := func(set func(any)) int {
		opts := optionsOf(c, h.Type, set)
		r := proxyBefore(c, opts)
		i := h.opened(c, opts)
		_ = writeSink(c, i, 0) // so that the sink is connected
		before := r.exchanges()
		_ = writeSink(c, i, 1)
		return r.exchanges() - before
	}
	n := requests(h.Busy)
	if n <= 2 {
		return
	}
	if need := requests(h.Reachable); n > need+1 { // one more to reset the conversation
		c.Errorf("one Write sends %d requests to a busy receiver: return the error, and the router retries", n)
	}
}
