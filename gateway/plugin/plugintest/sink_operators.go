package plugintest

import (
	"context"
	"strings"
	"sync"
	"time"

	"eventgateway/gateway/plugin"
)

const (
	ruleAttempts = "a sink reports each attempt of Write if the type has the capability ReportsAttempts, and secrets are hidden in what it describes"
	ruleClients  = "Clients returns at most as many clients as it is asked for, and Disconnect finds only connected clients; both also after Close"
)

// checkAttempts checks the attempts of writes that are delivered, refused, and not possible.
func (h SinkHarness) checkAttempts(c *check) {
	declared := h.Type.Has(plugin.ReportsAttempts)
	for what, set := range map[string]func(any){"that is delivered": h.Reachable, "that is refused": h.Rejecting, "to a server that is not reached": h.Unreachable} {
		if set == nil {
			continue
		}
		opts := optionsOf(c, h.Type, set)
		known := plant(opts, true)
		i, err := tryBuild(c, h.Type, Name, opts)
		if err != nil { // the planted secret may be invalid
			opts = optionsOf(c, h.Type, set)
			known = secretsOf(opts)
			i = build(c, h.Type, opts)
		}
		_ = openSink(c, i)
		var mu sync.Mutex
		var reports []plugin.AttemptReport
		batch := c.newEvents(0, 1)
		_ = c.call(c.ctx, "Write", func(ctx context.Context) error {
			return i.impl.Write(plugin.WithAttempts(ctx, func(a plugin.AttemptReport) {
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, a)
			}), batch)
		})
		_ = i.close()
		mu.Lock()
		all := reports
		mu.Unlock()
		switch {
		case declared && len(all) == 0:
			c.Errorf("a write %s reports no attempt: call plugin.ReportAttempt with the context of Write", what)
		case !declared && len(all) > 0:
			c.Errorf("a write %s reports an attempt: declare the capability ReportsAttempts, or it is not shown", what)
		}
		for _, a := range all {
			c.attempt(a, what, known)
		}
	}
}

// attempt checks the report of one attempt of a write.
func (c *check) attempt(a plugin.AttemptReport, what string, secrets []string) {
	if a.Began.IsZero() || a.Began.After(time.Now()) || a.Took < 0 {
		c.Errorf("the attempt of a write %s began at %v and took %v", what, a.Began, a.Took)
	}
	if a.Exchange == nil {
		return
	}
	if a.Size <= 0 {
		c.Errorf("the attempt of a write %s has the size %d: Size is the memory of Exchange in bytes", what, a.Size)
	}
	var d plugin.AttemptDescription
	if c.call(c.ctx, "Describe", func(context.Context) error { d = a.Exchange.Describe(); return nil }) != nil {
		return
	}
	findSecrets(c, secrets, "the target of an attempt", d.Target)
	for _, m := range []plugin.AttemptMessage{d.Request, d.Answer} {
		findSecrets(c, secrets, "the body of an attempt", string(m.Body))
		for name, values := range m.Header {
			if name != "Authorization" { // the router hides it
				findSecrets(c, secrets, "the header "+name+" of an attempt", strings.Join(values, "\n"))
			}
		}
	}
}

// checkClients checks a sink without clients.
func (h SinkHarness) checkClients(c *check) {
	i := h.opened(c, optionsOf(c, h.Type, h.Reachable))
	s, ok := any(i.impl).(plugin.ClientSink)
	if !ok {
		c.Skip("the sink is no plugin.ClientSink")
	}
	for range 2 {
		for _, q := range []plugin.ClientQuery{{Limit: 1}, {Limit: plugin.MaxClients, After: "conformance", Search: "conformance"}} {
			_ = c.call(c.ctx, "Clients", func(ctx context.Context) error {
				if page := s.Clients(ctx, q); len(page.Clients) > q.Limit {
					c.Errorf("Clients returns %d clients, and %d are asked for", len(page.Clients), q.Limit)
				}
				return nil
			})
		}
		for _, id := range []string{"", "conformance", "-1"} {
			_ = c.call(c.ctx, "Disconnect", func(ctx context.Context) error {
				if s.Disconnect(ctx, id, "conformance", true) {
					c.Errorf("Disconnect finds a client with the ID %q", id)
				}
				return nil
			})
		}
		_ = i.close()
	}
}
