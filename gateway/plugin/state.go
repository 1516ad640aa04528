package plugin

import (
	"context"
	"errors"
	"fmt"
)

// State stores small values of a component, such as a cursor or a count for each key of events, where they survive a restart and a crash of the gateway. A
// type whose plugins use it has the capability [KeepsState]. The operator chooses where it is stored: in files, in Redis or in
// PostgreSQL. The methods are safe for concurrent use. They do I/O: a plugin calls them in Open, Run, Write, Apply and Close, and never
// while it is built.
//
// The values belong to the component by its name, and for a transform also by its route. In Redis and PostgreSQL all gateways share
// them. The values of a source with a leadership are fenced: Put of an earlier leader returns an error that [FencedBy] recognizes.
// Without a leadership, the last Put wins.
//
// An error is marked by [Unavailable] if the store cannot be reached or written at present.
type State interface {
	// Get returns the value of a key, which is any text; nil if there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put stores a value of at most [MaxStateValue] bytes. When it returns nil, the value is durable. An empty value deletes the key.
	Put(ctx context.Context, key string, value []byte) error
}

// MaxStateValue is the maximum length of a value of a [State], in bytes.
const MaxStateValue = 64 << 10

// CheckState returns an error if a [State] must refuse a value. Implementations call it.
func CheckState(key string, value []byte) error {
	if len(value) > MaxStateValue {
		return Permanent(fmt.Errorf("the value of the key %q of the state has %d bytes: store at most %d", key, len(value), MaxStateValue))
	}
	return nil
}

// NoState is the [State] of a plugin whose type has no capability [KeepsState]. Each call returns an error.
type NoState struct{}

var errNoState = Permanent(errors.New("the type of the plugin has no capability KeepsState: add With(plugin.KeepsState)"))

// Get is part of [State].
func (NoState) Get(context.Context, string) ([]byte, error) { return nil, errNoState }

// Put is part of [State].
func (NoState) Put(context.Context, string, []byte) error { return errNoState }
