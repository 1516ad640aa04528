package plugin

import (
	"context"
	"time"
)

// ClientSink is implemented by a sink to which clients connect, so that operators can look at them and disconnect one. Its methods are
// called in any goroutine, also while Write runs and after Close. They hold up no event for longer than a moment, whatever
// the number of clients is.
type ClientSink interface {
	// Clients returns at most q.Limit connected clients, in the order in which they have connected.
	Clients(ctx context.Context, q ClientQuery) ClientPage
	// Disconnect disconnects a client, and tells it the reason. reconnect says whether it may connect again by itself. found is false
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

// ClientPage is a part of the connected clients.
type ClientPage struct {
	Total   int // of the connected clients
	Clients []Client
	// Next is the After of the next page; "" if this is the last one. A page with a Search may have fewer clients than its limit.
	Next string
}

// Client is one connected client. Texts are what it has sent, shortened.
type Client struct {
	ID        string // unique while the sink runs
	Address   string // without a port; behind a trusted proxy that which the proxy names
	UserAgent string
	Subject   string // of its token; "" if it has none
	Protocol  string // such as a subprotocol with its version
	Since     time.Time
	// LagEvents and LagBytes are what it was not sent yet of its subscriptions.
	LagEvents, LagBytes uint64
	SentBytes           uint64
	Subscriptions       []ClientSubscription // the first ones
	SubscriptionCount   int
}

// ClientSubscription is what a client gets.
type ClientSubscription struct {
	ID       string   // by which the client names it; "" for that of its connection
	Channels []string // the first ones; none: all
	Filter   string   // "": none
}
