package plugin

import (
	"context"
	"sync"
)

// AccessEntry is the access log's line of one request, which the handler of the request completes. All methods may be
// called from any goroutine. On a nil entry, which means that the access log is off, they do nothing.
type AccessEntry struct {
	mu     sync.Mutex
	fields AccessFields
}

// AccessFields are the fields of a line that a handler knows, and the listener does not.
type AccessFields struct {
	Client string // address of the client, if a header of a trusted proxy names it
	User   string // name of the user, or subject of the token
	Role   string // of the user
	Reason string // why a connection that the handler took over has ended
}

type accessKey struct{}

// WithAccess returns a context from which [Access] returns an entry.
func WithAccess(ctx context.Context, e *AccessEntry) context.Context {
	return context.WithValue(ctx, accessKey{}, e)
}

// Access returns the entry of the request that has the context, nil if the access log is off.
func Access(ctx context.Context) *AccessEntry {
	e, _ := ctx.Value(accessKey{}).(*AccessEntry)
	return e
}

// SetClient sets the address of the client.
func (e *AccessEntry) SetClient(address string) {
	e.set(func(f *AccessFields) { f.Client = address })
}

// SetUser sets the name of the user, and the role, which may be "".
func (e *AccessEntry) SetUser(name, role string) {
	e.set(func(f *AccessFields) { f.User, f.Role = name, role })
}

// SetReason sets why the connection has ended, such as "slow". A handler that has taken over the connection calls it before it closes it.
func (e *AccessEntry) SetReason(reason string) {
	e.set(func(f *AccessFields) { f.Reason = reason })
}

// Fields returns what was set.
func (e *AccessEntry) Fields() AccessFields {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fields
}

func (e *AccessEntry) set(change func(*AccessFields)) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.fields)
}
