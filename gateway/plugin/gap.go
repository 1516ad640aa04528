package plugin

import (
	"context"
	"time"
)

// Gap says that events of a source may be missing at this point.
type Gap struct {
	Source string // the configured name, where it was noticed; "" where the sink's own queue dropped events
	Reason string // for people
	// Dropped is how many events the sink's own queue has dropped; 0 where the gap is a source's.
	Dropped uint64
	// ID tells gaps apart: it is the same wherever one gap is passed on.
	ID   string
	Time time.Time // when it was noticed
	// ForwardedBy is the source of this gateway that brought a gap of another one; "" where
	// the gap is this gateway's own.
	ForwardedBy string
}

// GapSink is a sink that wants to know where events may be missing.
type GapSink interface {
	// Gap is called between Writes, in the order of the queue, and never concurrently with
	// them where there is one worker. An error means the same as one of Write: the gap is
	// told again after a pause, and nothing is written before, but for a [Permanent] one.
	Gap(ctx context.Context, g Gap) error
}
