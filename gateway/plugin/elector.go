package plugin

import (
	"context"
	"time"
)

// Elector is implemented by a source that can hold an exclusive lock on its server, so
// that of several gateways one captures and the others stand by. Its type has
// the capability [ElectsLeader].
type Elector interface {
	// Campaign blocks until this gateway holds the lock called name, and returns the leadership. It
	// calls standby when another session holds the lock. holder names that session if it does not
	// belong to a gateway, because it may hold the lock for ever; else holder is "". Campaign
	// returns ctx's error when ctx ends, and another error when the connection is lost. The term of
	// the leadership must be higher than above, the highest term that a sink has seen, 0 for none: the
	// counter of the terms may have been lost. Campaign returns an error if it knows that the leader
	// of that term is still the valid one.
	Campaign(ctx context.Context, name string, above int64, standby func(holder string)) (Leadership, error)
}

// Leadership is a lock that is held. The router confirms it periodically. When that fails, the router
// stops the source, and then campaigns again.
type Leadership interface {
	// Term returns the number of the leadership. It rises with every new leader of the name, on any
	// machine. It comes from a counter and not from a clock, which may go back.
	Term() int64
	// Confirm returns nil if the lock is still held.
	Confirm(ctx context.Context) error
	// Lease returns how long no other session can get the lock after the begin of a successful
	// Confirm, whatever happens to this process; 0 is for ever.
	Lease() time.Duration
	// Resign releases the lock.
	Resign()
}
