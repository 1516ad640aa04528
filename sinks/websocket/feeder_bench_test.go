package websocket

import (
	"fmt"
	"testing"
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/plugin/plugintest"
)

// feederLoad is a set of subscriptions, and the events that they are evaluated for.
type feederLoad struct {
	name          string
	rule          string
	subscriptions int
	filter        func(n int) string
	claims        func(n int) map[string]any
	event         func(n int) string // payload
}

// amounts are filters for the same customer, with a number of distinct further conditions that no event meets.
func amounts(distinct int) func(int) string {
	return func(n int) string {
		return fmt.Sprintf(`order.customer_id in ["c0", "d%d"] && order.amount > %d`, n, 100+n%distinct)
	}
}

func ofCustomer(n int) string {
	return string(customerEvent(n, 1).Data)
}

// tenantsOf returns claims with many tenants of many.
func tenantsOf(client, tenants, of int) map[string]any {
	list := make([]any, tenants)
	list[0] = "t0"
	for i := 1; i < tenants; i++ {
		list[i] = fmt.Sprintf("t%d", (client*tenants+i*7919)%of)
	}
	return map[string]any{"sub": fmt.Sprint(client), "tenants": list}
}

func ofTenant(of int) func(int) string {
	return func(n int) string {
		return fmt.Sprintf(`{"operation":"UPDATE","order":{"id":%d,"tenant":"t%d","amount":12.5,"text":"%0200d"}}`, n, n%of, n)
	}
}

var feederLoads = []feederLoad{
	{name: "equality/1000", subscriptions: 1000, filter: func(n int) string { return fmt.Sprintf(`order.customer_id == "c%d"`, n) }, event: func(n int) string { return string(customerEvent(n, 1000).Data) }},
	{name: "equality/100000", subscriptions: 100_000, filter: func(n int) string { return fmt.Sprintf(`order.customer_id == "c%d"`, n) }, event: func(n int) string { return string(customerEvent(n, 1000).Data) }},
	{name: "remainders/1", subscriptions: 1000, filter: amounts(1), event: ofCustomer},
	{name: "remainders/10", subscriptions: 1000, filter: amounts(10), event: ofCustomer},
	{name: "remainders/1000", subscriptions: 1000, filter: amounts(1000), event: ofCustomer},
	{name: "remainder of a rule", subscriptions: 1000, rule: `order.tenant in claims.tenants && order.amount > 100`, claims: func(n int) map[string]any { return tenantsOf(n, 5, 5000) }, event: ofTenant(1)},
	{name: "one filter over rights", subscriptions: 1000, rule: `order.tenant in claims.tenants`, claims: func(n int) map[string]any { return tenantsOf(0, 1+n, 5000) }, filter: func(int) string { return "order.amount > 100" }, event: ofTenant(1)},
	{name: "tenants/500x1000", subscriptions: 1000, rule: `order.tenant in claims.tenants`, claims: func(n int) map[string]any { return tenantsOf(n, 500, 500_000) }, event: ofTenant(500_000)},
	{name: "tenants/500x10000", subscriptions: 10_000, rule: `order.tenant in claims.tenants`, claims: func(n int) map[string]any { return tenantsOf(n, 500, 5_000_000) }, event: ofTenant(5_000_000)},
	{name: "tenants/5000x200", subscriptions: 200, rule: `order.tenant in claims.tenants`, claims: func(n int) map[string]any { return tenantsOf(n, 5000, 5_000_000) }, event: ofTenant(5_000_000)},
	{name: "tenants/overlapping 500x100", subscriptions: 100, rule: `order.tenant in claims.tenants`, claims: func(n int) map[string]any { return tenantsOf(n, 500, 50_000) }, event: ofTenant(50_000)},
}

// BenchmarkFeeder measures an event in a feeder alone, for many subscriptions: without sockets and clients.
func BenchmarkFeeder(b *testing.B) {
	for _, load := range feederLoads {
		b.Run(load.name, func(b *testing.B) {
			o := *Type().Defaults().(*Options)
			o.MaxTopics, o.Limits.FiltersPerAddress, o.Limits.FilterTime = 100_000, 100_000, 0
			if load.rule != "" {
				if err := o.Authorize.UnmarshalText([]byte(load.rule)); err != nil {
					b.Fatal(err)
				}
			}
			h := newHub(o, newMetrics(), time.Now, plugintest.Env(b).Go)
			h.clients, h.log = func() []*client { return nil }, quietLog()
			var topics []*topic
			empty, begin := usedMemory(), time.Now()
			for n := range load.subscriptions {
				s := subscription{protocol: true}
				var err error
				if load.filter != nil {
					if s.filter, err = expr.CompileFilter(load.filter(n)); err != nil {
						b.Fatal(err)
					}
				}
				if load.claims != nil {
					if s.rights, err = rightsOf(o.Authorize, load.claims(n)); err != nil {
						b.Fatal(err)
					}
				}
				t, _, err := h.join(b.Context(), fmt.Sprint("a", n%100), s, resumePoint{})
				if err != nil {
					b.Fatal(err)
				}
				topics = append(topics, t)
			}
			joined := time.Since(begin)
			memory := usedMemory() - empty
			events := 0
			b.ResetTimer()
			for b.Loop() {
				for range 10 {
					batch := make([]*event.Event, 100)
					for i := range batch {
						batch[i] = &event.Event{Channel: "orders", Data: []byte(load.event(events*7919 + i))}
					}
					events += len(batch)
					h.write(batch)
					h.drainFeeders(b.Context())
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
			b.ReportMetric(float64(joined.Microseconds())/float64(load.subscriptions), "us/join")
			b.ReportMetric(memory/1024/float64(load.subscriptions), "KiB/subscription")
			for _, t := range topics {
				h.releaseTopic(t, "a")
			}
			h.feeding.Wait()
		})
	}
}
