package plugin

import (
	"context"
	"time"

	"eventgateway/gateway/event"
)

// A sink may keep a history of its events, and fill it at the start from its source. The source reads again the events that it,
// or another gateway, has emitted. The router joins both along their route, whose condition and transforms it applies. So the sink has
// the same history after a restart and at each gateway with this route, and [event.Event.Position] names the same places in it.

// HistoryStore is implemented by the options of a [HistorySource].
type HistoryStore interface {
	// HistoryID returns a text that names the history into which positions of the source point. It is the same at
	// each gateway that reads this history. The error explains why there is none with these options.
	HistoryID() (string, error)
}

// HistorySource is implemented by a source that can read its history. It sets [event.Event.Position] of each event.
type HistorySource interface {
	// ReadHistory calls take with all events since a time, and with the last one before it, in the order of their
	// positions. It ends behind the last event. It acks nothing and moves no cursor. It is called after Ready, also during
	// Run, and concurrently with itself. It ends with the error of take. Events have the time at which they were stored.
	ReadHistory(ctx context.Context, since time.Time, take func([]*event.Event) error) error
}

// HistoryKeeper is implemented by the options of a [HistorySink].
type HistoryKeeper interface {
	// HistoryRange returns how far back the history reaches that the sink takes from its source; 0: it takes none.
	HistoryRange() time.Duration
}

// HistorySink is implemented by a sink that fills its history from its source.
type HistorySink interface {
	// FillHistory is called before the first Write if [HistoryKeeper] asks for it. read calls take with the history, in
	// order. id names the history, and the route by which its events come. An error of read is returned; then FillHistory is called again,
	// and read begins anew, or live events begin after a [Gap]. Write may bring events again that the history has.
	FillHistory(ctx context.Context, id string, read func(take func([]*event.Event) error) error) error
}
