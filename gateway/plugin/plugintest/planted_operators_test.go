package plugintest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// described is an exchange that describes itself.
type described plugin.AttemptDescription

func (d described) Describe() plugin.AttemptDescription { return plugin.AttemptDescription(d) }

// reportFault plants a fault in the reports of a sink that has the capability.
func reportFault(name string, report func(*post, context.Context)) planted {
	return planted{name: "sink: " + name, rule: ruleAttempts, rules: func(t testing.TB) []rule {
		return sinkRules(sinkHarness(t, sinkType(sinkHooks{write: func(s *post, ctx context.Context, e []*event.Event) error {
			err := s.Write(ctx, e)
			report(s, ctx)
			return err
		}}).With(plugin.ReportsAttempts)))
	}}
}

// hall is a sink with clients that has a fault.
type hall struct {
	*post
	clients    int
	disconnect bool
}

func (h *hall) Clients(context.Context, plugin.ClientQuery) plugin.ClientPage {
	return plugin.ClientPage{Clients: make([]plugin.Client, h.clients)}
}

func (h *hall) Disconnect(context.Context, string, string, bool) bool { return h.disconnect }

// deafHall has Clients with another signature.
type deafHall struct{ *post }

func (deafHall) Clients() int { return 0 }

// operatorFaults returns faults in what a sink shows to operators.
func operatorFaults() []planted {
	report := func(ctx context.Context, d plugin.AttemptDescription) {
		plugin.ReportAttempt(ctx, plugin.AttemptReport{Began: time.Now(), Exchange: described(d), Size: 1})
	}
	return []planted{
		reportFault("attempts are declared, and not reported", func(*post, context.Context) {}),
		onWrite("attempts are reported, and not declared", ruleAttempts, func(s *post, ctx context.Context, e []*event.Event) error {
			report(ctx, plugin.AttemptDescription{})
			return s.Write(ctx, e)
		}),
		reportFault("an attempt has no time", func(_ *post, ctx context.Context) { plugin.ReportAttempt(ctx, plugin.AttemptReport{}) }),
		reportFault("an attempt has no size", func(_ *post, ctx context.Context) {
			plugin.ReportAttempt(ctx, plugin.AttemptReport{Began: time.Now(), Exchange: described{}})
		}),
		reportFault("the target of an attempt has a password", func(s *post, ctx context.Context) {
			report(ctx, plugin.AttemptDescription{Target: "POST " + s.o.URL.Reveal()})
		}),
		reportFault("a header of an attempt has a secret", func(s *post, ctx context.Context) {
			report(ctx, plugin.AttemptDescription{Request: plugin.AttemptMessage{Header: http.Header{"X-Token": {s.o.Token.Reveal()}}}})
		}),
		reportFault("the answer of an attempt repeats a secret", func(s *post, ctx context.Context) {
			report(ctx, plugin.AttemptDescription{Answer: plugin.AttemptMessage{Body: []byte("who is " + s.o.Token.Reveal())}})
		}),
		sinkFault("Clients returns more than it is asked for", ruleClients, sinkHooks{instance: func(s *post) plugin.Sink { return &hall{post: s, clients: 2} }}),
		sinkFault("Disconnect finds any client", ruleClients, sinkHooks{instance: func(s *post) plugin.Sink { return &hall{post: s, disconnect: true} }}),
		sinkFault("Clients has another signature", ruleMethods, sinkHooks{instance: func(s *post) plugin.Sink { return deafHall{s} }}),
	}
}
