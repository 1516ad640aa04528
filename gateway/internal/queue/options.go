package queue

import "eventgateway/gateway/options"

// Options bounds a queue.
type Options struct {
	Size     int              `koanf:"size" rule:"min=1,max=10000000" doc:"events that may wait"`
	Bytes    options.Size     `koanf:"bytes" rule:"min=1KiB" doc:"memory that what waits may take: of each event its payload and 256 bytes"`
	Batch    int              `koanf:"batch" rule:"min=1,max=100000" doc:"most events in one write; a sink takes what waits, and never waits for more"`
	WhenFull string           `koanf:"when_full" rule:"oneof=block|drop_oldest|drop_newest|latest_per_key" doc:"what happens to the next event"`
	MaxBlock options.Duration `koanf:"max_block" doc:"with block: how long a full queue may hold up a source that cannot replay, until the oldest events are dropped and reported as a gap"`
}

// The policies of [Options].WhenFull.
const (
	WhenFullBlock        = "block"
	WhenFullDropOldest   = "drop_oldest"
	WhenFullDropNewest   = "drop_newest"
	WhenFullLatestPerKey = "latest_per_key"
)
