package queue

import "eventgateway/gateway/options"

// Options bounds a queue.
type Options struct {
	Size     int              `koanf:"size" rule:"min=1,max=10000000" doc:"most events in the queue"`
	Bytes    options.Size     `koanf:"bytes" rule:"min=1KiB" doc:"most memory of the queued events: of each one its payload and 256 bytes"`
	Batch    int              `koanf:"batch" rule:"min=1,max=100000" doc:"most events in one write; a write never waits for more events"`
	WhenFull string           `koanf:"when_full" rule:"oneof=block|drop_oldest|drop_newest|latest_per_key" doc:"what happens when the next event does not fit"`
	MaxBlock options.Duration `koanf:"max_block" doc:"with block: how long a source that cannot replay waits, before the oldest events are dropped and leave a gap"`
}

// The policies of [Options].WhenFull.
const (
	WhenFullBlock        = "block"
	WhenFullDropOldest   = "drop_oldest"
	WhenFullDropNewest   = "drop_newest"
	WhenFullLatestPerKey = "latest_per_key"
)
