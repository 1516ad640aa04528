package plugintest

import (
	"context"
	"testing"

	"eventgateway/gateway/plugin"
)

// SinkHarness describes the test of one sink.
type SinkHarness struct {
	Type plugin.SinkType
	// Reachable sets options with which the sink delivers. Unreachable sets options of a server
	// that is not reached, at a closed port of this machine; nil if the sink needs no
	// server. If options have an address of this machine, such as 127.0.0.1:6379, the suite
	// puts a proxy before it, which freezes and cuts connections, or a server that never answers.
	Reachable, Unreachable func(opts any)
	// Receive is called with the environment of an instance before anything is written, and
	// returns a function that waits for the next payload that arrives, and returns it, byte for byte. It skips what has
	// arrived before the call of Receive.
	Receive func(t testing.TB, env plugin.Env) (next func() string)
	// Rejecting sets options of a receiver that refuses each event permanently, Busy of one
	// that asks for a later retry; nil if there is no such receiver.
	Rejecting, Busy func(opts any)
	// InvalidOptions maps options, in YAML, to a part of the problem that they cause: "options:1:9: url: ...".
	InvalidOptions map[string]string
}

// Sink runs the suite on a sink.
func Sink(t *testing.T, h SinkHarness) {
	t.Helper()
	runSuite(t, sinkRules(h))
}

func (h SinkHarness) subject() subject[plugin.Sink] {
	return subject[plugin.Sink]{typ: h.Type, reachable: h.Reachable, unreachable: h.Unreachable, invalidOptions: h.InvalidOptions, use: useSink, tryUse: tryUseSink}
}

// useSink opens a sink, writes twice and pings.
func useSink(c *check, i *instance[plugin.Sink]) {
	if openSink(c, i) != nil {
		return
	}
	for n := range 2 {
		_ = writeSink(c, i, n)
	}
	if p, ok := any(i.impl).(plugin.Pinger); ok {
		_ = c.call(c.ctx, "Ping", p.Ping)
	}
}

func tryUseSink(c *check, i *instance[plugin.Sink]) error {
	if err := openSink(c, i); err != nil {
		return err
	}
	return writeSink(c, i, 0)
}

func openSink(c *check, i *instance[plugin.Sink]) error {
	if o, ok := any(i.impl).(plugin.Opener); ok {
		return c.call(c.ctx, "Open", o.Open)
	}
	return nil
}

func writeSink(c *check, i *instance[plugin.Sink], from int) error {
	batch := c.newEvents(from, 1)
	return c.call(c.ctx, "Write", func(ctx context.Context) error { return i.impl.Write(ctx, batch) })
}

// opened builds and opens a sink. It ends the rule if that fails.
func (h SinkHarness) opened(c *check, opts any) *instance[plugin.Sink] {
	i := build(c, h.Type, opts)
	if err := openSink(c, i); err != nil {
		if err != errPanicked {
			c.addFinding(ruleOpen, "Open: %v", err)
		}
		c.stop()
	}
	return i
}

func sinkRules(h SinkHarness) []rule {
	rules := []rule{
		{ruleContext, h.checkContext}, {ruleCancelled, h.checkCancelled},
		{ruleDelivers, h.checkDelivery}, {ruleUnchanged, h.checkUnchanged}, {ruleSliceReuse, h.checkSliceReuse}, {ruleAnyEvent, h.checkAnyEvent},
		{ruleGap, h.checkGap}, {ruleFills, h.checkFill}, {ruleConcurrent, h.checkConcurrent}, {ruleOpen, h.checkReopen}, {ruleNoDelivery, h.checkNoDelivery}, {rulePing, h.checkPing},
		{ruleUnavailable, h.checkUnavailable}, {ruleNoAnswer, h.checkNoAnswer}, {ruleReconnects, h.checkReconnect}, {ruleConnections, h.checkConnections},
		{ruleAttempts, h.checkAttempts}, {ruleClients, h.checkClients}, {ruleRejected, h.checkRejected}, {ruleBusy, h.checkBusy}, {ruleOneAttempt, h.checkOneAttempt},
	}
	return append(rules, commonRules(h.subject())...)
}
