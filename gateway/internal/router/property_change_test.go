package router

import (
	"time"

	"pgregory.net/rapid"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/options"
)

// change changes what the router does with a sink, as the next reload has it; its plugin goes on.
func (sc *scenario) change(t *rapid.T, n int) {
	if sc.window > 0 {
		sc.window++ // another route takes the place of this one
	}
	s := &sc.sinks[n%len(sc.sinks)]
	d := &s.Delivery
	d.Timeout += options.Duration(time.Second)
	if n%len(sc.sinks) == len(sc.sinks)-1 { // the sink for dead letters loses nothing
		return
	}
	switch rapid.IntRange(0, 6).Draw(t, "change") {
	case 1:
		d.Queue.Size = rapid.IntRange(1, 20).Draw(t, "size")
	case 2:
		d.Queue.WhenFull = rapid.SampledFrom([]string{queue.WhenFullBlock, queue.WhenFullDropOldest, queue.WhenFullDropNewest, queue.WhenFullLatestPerKey}).Draw(t, "when_full")
	case 3:
		d.Workers = rapid.IntRange(1, 8).Draw(t, "workers")
	case 4:
		if d.Ordering = delivery.OrderingNone; rapid.Bool().Draw(t, "ordered") {
			d.Ordering = delivery.OrderingKey
		}
		sc.unordered[s.Name] = true
	case 5:
		d.DeadLetter = rapid.SampledFrom([]string{"", "parked"}).Draw(t, "dead_letter")
		sc.parks[s.Name] = sc.parks[s.Name] || d.DeadLetter != ""
	case 6:
		d.Retry.Attempts = rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "attempts")
	}
}
