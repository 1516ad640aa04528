package plugin

import (
	"context"
	"time"
)

// Gap is a point in the stream where events of a source may be missing.
type Gap struct {
	Source string // the name of the source, in the gateway that noticed it; "" if the sink's own queue dropped events
	Reason string // for operators
	// Dropped is how many events the sink's own queue has dropped; 0 for a gap of a source.
	Dropped uint64
	// ID identifies the gap, also in other gateways to which it is forwarded.
	ID   string
	Time time.Time // when it was noticed
	// ForwardedBy is the source of this gateway that received the gap from another gateway; "" if
	// it was noticed here.
	ForwardedBy string
}

// GapSink is implemented by a sink that passes gaps on to its receivers.
type GapSink interface {
	// Gap is called between Writes, in the order of the queue. With one worker it is never called
	// concurrently with Write. An error has the same effect as one of Write: the gap is retried after a
	// pause, and nothing is written before. A gap with a [Permanent] error is dropped.
	Gap(ctx context.Context, g Gap) error
}
