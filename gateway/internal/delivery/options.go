package delivery

import (
	"eventgateway/gateway/internal/queue"
	"eventgateway/gateway/options"
)

// Options is what every sink may be given beside its own options.
type Options struct {
	Queue      queue.Options    `koanf:"queue"`
	Retry      Retry            `koanf:"retry"`
	Breaker    BreakerOptions   `koanf:"breaker"`
	Ordering   string           `koanf:"ordering" rule:"oneof=key|none" doc:"which events wait for one that is in flight or delayed"`
	Rate       int              `koanf:"rate" rule:"min=0,max=1000000" doc:"most events per second; 0: no limit"`
	Timeout    options.Duration `koanf:"timeout" rule:"min=1ms" doc:"longest time of one write"`
	Workers    int              `koanf:"workers" rule:"min=1,max=1000" doc:"concurrent writes, where the type allows them"`
	BestEffort bool             `koanf:"best_effort" doc:"true: acks do not depend on this sink, and events that it loses do not come again"`
	DeadLetter string           `koanf:"dead_letter" doc:"sink that gets the events which this one cannot deliver"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"dead_letter": "Without it they go to the store that dead_letters configures, or back to a source that can replay; the latest others stay in memory",
		"ordering":    "With key, the later ones of its key (events without a key share one); with none, no event does",
	}
}

// DefaultOptions returns the options of a sink for which a configuration says nothing.
func DefaultOptions() Options {
	return Options{
		Queue: queue.Options{
			Size: 65536, Bytes: 64 << 20, Batch: 512, WhenFull: queue.WhenFullBlock,
			MaxBlock: options.Duration(10e9),
		},
		Retry:    Retry{Initial: options.Duration(100e6), Max: options.Duration(30e9), MaxAfter: options.Duration(5 * 60e9)},
		Breaker:  BreakerOptions{Failures: 20, Pause: options.Duration(30e9)},
		Ordering: OrderingKey,
		Timeout:  options.Duration(30e9),
		Workers:  1,
	}
}

// The values of [Options].Ordering.
const (
	OrderingKey  = "key"
	OrderingNone = "none"
)

// queueConfig returns the configuration of the sink's queue.
func (s *Sink) queueConfig() queue.Config {
	o, retry := &s.Options, s.Options.Retry
	return queue.Config{Options: o.Queue, Name: s.Name, ByKey: o.Ordering == OrderingKey, Shared: o.Workers > 1, Restore: retry.restore, Dropped: s.showDropped}
}

// Same reports whether a sink with options a may run on with options b: they differ at most in where dead letters go.
func Same(a, b Options) bool {
	a.DeadLetter = b.DeadLetter
	return options.Equal(&a, &b)
}
