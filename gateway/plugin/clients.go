package plugin

import (
	"context"
	"time"
)

// ClientSink is implemented by a sink to which clients connect, so that operators can list them and disconnect one. Its methods are
// called in any goroutine, also while Write runs and after Close. They must not delay events, for any number of clients.
type ClientSink interface {
	// Clients returns at most q.Limit connected clients, in the order in which they have connected.
	Clients(ctx context.Context, q ClientQuery) ClientPage
	// Disconnect disconnects a client, and sends it the reason. With reconnect, the client may connect again by itself. found is false
	// if no client with the ID is connected.
	Disconnect(ctx context.Context, id, reason string, reconnect bool) (found bool)
}

// MaxClients is the most clients of a [ClientPage].
const MaxClients = 500

// ClientQuery selects clients.
type ClientQuery struct {
	After  string // only those that connected after the client with this ID; "": all
	Limit  int    // from 1 to [MaxClients]
	Search string // only clients whose address, subject or user agent contains this text; "": all
}

// ClientPage is a page of the connected clients.
type ClientPage struct {
	Total   int // of the connected clients
	Clients []Client
	// Next is the After of the next page; "" if this is the last one. A page with a Search may have fewer clients than its limit.
	Next string
}

// Client is one connected client. The texts come from the client, and are shortened.
type Client struct {
	ID        string // unique while the sink runs
	Address   string // without a port; behind a trusted proxy, the address in its header
	UserAgent string
	Subject   string // of its token; "" if it has none
	Protocol  string // such as a subprotocol with its version
	Since     time.Time
	// LagEvents and LagBytes count the frames of its subscriptions that were not sent to it.
	LagEvents, LagBytes uint64
	SentBytes           uint64
	Subscriptions       []ClientSubscription // the first ones
	SubscriptionCount   int
}

// ClientSubscription is one subscription of a client.
type ClientSubscription struct {
	ID       string   // by which the client names it; "" for that of its connection
	Channels []string // the first ones; none: all
	Filter   string   // "": none
}
