package queue

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/internal/ack"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// itself is the source of gaps that are what the queue has dropped.
const itself = "the queue itself"

// TestQueueAgainstModel drives a queue with random puts, gaps, takes, settles, put
// backs, reconfigurations and a close, and compares contents, order,
// counts and receipts with a plain model. -rapid.checks=10000 makes it thorough.
func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := []string{WhenFullDropOldest, WhenFullDropNewest, WhenFullLatestPerKey}
		blocks := rapid.Bool().Draw(t, "blocks") // then without receipts, by which other drops are seen
		if blocks {
			policies = []string{WhenFullBlock}
		}
		limit := func() Options {
			return Options{
				Size: rapid.IntRange(1, 9).Draw(t, "size"), Bytes: options.Size(rapid.IntRange(Overhead, 12*Overhead).Draw(t, "bytes")),
				WhenFull: rapid.SampledFrom(policies).Draw(t, "when_full"),
			}
		}
		byKey := rapid.Bool().Draw(t, "by key")
		m := &queueModel{limit: limit(), byKey: byKey, settled: map[string]int{}}
		q := New(Config{Options: m.limit, ByKey: byKey})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) { m.put(t, q) },
			"burst": func(t *rapid.T) { // keeps the oldest waiting, so that many holes come to stand behind it
				for range rapid.SampledFrom([]int{2, 10, 150}).Draw(t, "n") {
					m.put(t, q)
				}
			},
			"gap": func(t *rapid.T) {
				name := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "source")
				q.PutGap(plugin.Gap{Source: name})
				m.addGap(len(m.list), name)
			},
			"take": func(t *rapid.T) { m.take(t, q) },
			"settle": func(t *rapid.T) {
				if len(m.taken) == 0 {
					return
				}
				n := rapid.IntRange(1, len(m.taken)).Draw(t, "n")
				q.Complete(m.items[:n], rapid.SampledFrom([]Outcome{Delivered, DeadLettered, Returned}).Draw(t, "outcome"))
				Done(m.items[:n], nil)
				m.taken, m.items = m.taken[n:], m.items[n:]
			},
			"put back": func(t *rapid.T) { // all that was taken, as a halt does
				q.PutBack(m.items)
				m.list = append(slices.Clone(m.taken), m.list...)
				m.taken, m.items = nil, nil
			},
			"reconfigure": func(t *rapid.T) {
				if len(m.taken) > 0 || m.closed || rapid.IntRange(0, 5).Draw(t, "really") > 0 {
					return
				}
				m.limit = limit()
				m.changed = true
				q.SetOptions(m.limit)
				q.Reconfigure(Config{Options: m.limit, ByKey: byKey})
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 20).Draw(t, "really") == 0 {
					q.Close(time.Now())
					m.closed = true
				}
			},
			"": func(t *rapid.T) { m.check(t, q) },
		})
		q.Complete(m.items, Delivered)
		Done(m.items, nil)
		q.ReturnRest(ack.ErrStopping)
		if !blocks && len(m.settled) != m.in {
			t.Fatalf("%d of %d events were settled", len(m.settled), m.in)
		}
	})
}
