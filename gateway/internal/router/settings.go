package router

import (
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
)

// Capture is what every source may be given beside its own options.
type Capture struct {
	Key    expr.Expression `koanf:"key" doc:"expression over the payload whose value orders: events of one key stay in order with several workers; where it cannot be evaluated, the event has no key"`
	Leader string          `koanf:"leader" rule:"max=200" doc:"name of a leadership: of all gateways that name it, one runs the source, and the others stand by"`
}

// Delivery is what every sink may be given beside its own options.
type Delivery struct {
	Queue      Queue            `koanf:"queue"`
	Retry      Retry            `koanf:"retry"`
	Breaker    Breaker          `koanf:"breaker"`
	Ordering   string           `koanf:"ordering" rule:"oneof=key|none" doc:"what waits for an event that is being written or fails: with key, the later ones of its key (those without a key have one together); with none, nothing"`
	Rate       int              `koanf:"rate" rule:"min=0,max=1000000" doc:"most events in a second; 0: as fast as it goes"`
	Timeout    options.Duration `koanf:"timeout" rule:"min=1ms" doc:"how long one write may take"`
	Workers    int              `koanf:"workers" rule:"min=1,max=1000" doc:"writes at the same time, where the type takes them"`
	BestEffort bool             `koanf:"best_effort" doc:"true: sources do not wait for this sink, and what it loses does not come again"`
	DeadLetter string           `koanf:"dead_letter" doc:"sink that gets what this one cannot deliver; without it the latest are kept in memory, for people to look at"`
}

// Queue bounds what waits for a sink.
type Queue struct {
	Size     int              `koanf:"size" rule:"min=1,max=10000000" doc:"events that may wait"`
	Bytes    options.Size     `koanf:"bytes" rule:"min=1KiB" doc:"memory that what waits may take: of each event its payload and 256 bytes"`
	Batch    int              `koanf:"batch" rule:"min=1,max=100000" doc:"most events in one write; a sink takes what waits, and never waits for more"`
	WhenFull string           `koanf:"when_full" rule:"oneof=block|drop_oldest|drop_newest|latest_per_key" doc:"what happens to the next event"`
	MaxBlock options.Duration `koanf:"max_block" doc:"with block: how long a full queue may hold up a source that cannot replay, until the oldest events are dropped and reported as a gap"`
}

// Retry says how failed writes are tried again.
type Retry struct {
	Initial  options.Duration   `koanf:"initial" rule:"min=1ms" doc:"upper bound of the first pause; pauses are random between zero and their bound (full jitter)"`
	Max      options.Duration   `koanf:"max" rule:"min=1ms" doc:"upper bound of every pause"`
	MaxAfter options.Duration   `koanf:"max_after" doc:"upper bound of a pause that the receiver asks for, such as by Retry-After"`
	Attempts int                `koanf:"attempts" rule:"min=0" doc:"attempts, one soon after the other, before an event waits for the schedule, or goes to the dead letters; 0 is without end, or with a schedule one"`
	Schedule []options.Duration `koanf:"schedule" doc:"pauses before the attempts that follow, each up to a tenth longer, such as [5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h]; a source redis-stream with a group remembers them across restarts"`
}

// Breaker says when a sink is left alone of which many events fail.
type Breaker struct {
	Failures int              `koanf:"failures" rule:"min=0" doc:"writes in a row in which events fail that had not failed before, after which nothing is written for a pause; then one write shows whether to go on. 0: never. (A sink that fails as a whole, as one that is not reached, opens it at once, for a pause by retry)"`
	Pause    options.Duration `koanf:"pause" rule:"min=1ms" doc:"upper bound of the pause, random between it and its half"`
}

// Check is part of [options.Checker].
func (r *Retry) Check(report func(option, text string)) {
	if r.Max < r.Initial {
		report("max", "must not be less than initial ("+r.Initial.String()+")")
	}
}

// DefaultDelivery is what a sink has that says nothing.
func DefaultDelivery() Delivery {
	return Delivery{
		Queue: Queue{
			Size: 65536, Bytes: 64 << 20, Batch: 512, WhenFull: WhenFullBlock,
			MaxBlock: options.Duration(10e9),
		},
		Retry:    Retry{Initial: options.Duration(100e6), Max: options.Duration(30e9), MaxAfter: options.Duration(5 * 60e9)},
		Breaker:  Breaker{Failures: 20, Pause: options.Duration(30e9)},
		Ordering: OrderingKey,
		Timeout:  options.Duration(30e9),
		Workers:  1,
	}
}

// The policies of [Queue.WhenFull].
const (
	WhenFullBlock        = "block"
	WhenFullDropOldest   = "drop_oldest"
	WhenFullDropNewest   = "drop_newest"
	WhenFullLatestPerKey = "latest_per_key"
)

// What waits for an event that fails.
const (
	OrderingKey  = "key"
	OrderingNone = "none"
)

// Failure is what a configuration says of a transform beside its own options.
type Failure struct {
	OnError string `koanf:"on_error" rule:"oneof=dead_letter|drop|pass" doc:"what becomes of an event on which the transform fails: it is parked as a dead letter, dropped, or goes on as it came; each is counted"`
}

// What becomes of an event on which a transform fails.
const (
	OnErrorDeadLetter = "dead_letter"
	OnErrorDrop       = "drop"
	OnErrorPass       = "pass"
)

// DefaultFailure is what holds where the configuration says nothing.
func DefaultFailure() Failure { return Failure{OnError: OnErrorDeadLetter} }
