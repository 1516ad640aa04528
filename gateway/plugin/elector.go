package plugin

import (
	"context"
	"time"
)

// Elector is a source that can hold an exclusive lock where it connects to, so
// that of several gateways one captures and the others stand by. Its type has
// the capability [ElectsLeader].
type Elector interface {
	// Campaign waits until this gateway holds the lock name. It calls standby
	// when it finds that another session does. holder names that session where it is
	// none of a gateway, and may hold the lock for ever; else it is "". Campaign
	// returns nil, ctx's error when ctx ends, and another error when the connection
	// is lost. The term must be higher than above, a term that a sink has seen, 0 for
	// none: the counter of the terms may have been lost. Campaign returns an error
	// where it knows that the leader of that term is rightly ahead.
	Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (Leadership, error)
}

// Leadership is a lock that is held. The router confirms it on a heartbeat,
// stops the source when that fails, and only then campaigns again.
type Leadership interface {
	// Term rises with every new leader of the name, on whatever machine. It comes
	// from a counter, and not from a clock, which may go back.
	Term() int64
	// Confirm returns nil where the lock is still held.
	Confirm(ctx context.Context) error
	// Lease is how long after the begin of a Confirm that succeeded nobody else
	// can get the lock, whatever happens to this process. 0 is for ever.
	Lease() time.Duration
	// Resign gives the lock up.
	Resign()
}
