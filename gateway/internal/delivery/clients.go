package delivery

import (
	"context"
	"time"

	"eventgateway/gateway/plugin"
)

// ClientList is the answer of /api/components/sink/NAME/clients.
type ClientList struct {
	Sink    string       `json:"sink"`
	Now     time.Time    `json:"now"`
	Total   int          `json:"total"` // number of the connected clients
	Clients []ClientView `json:"clients"`
	Next    string       `json:"next,omitempty"` // the query parameter after of the next page; absent for the last one
}

// ClientView is a client as operators see it. Its texts are what it has sent.
type ClientView struct {
	ID            string             `json:"id"`
	Address       string             `json:"address"`
	UserAgent     string             `json:"user_agent,omitempty"`
	Subject       string             `json:"subject,omitempty"` // of its token
	Protocol      string             `json:"protocol"`
	Since         time.Time          `json:"since"`
	LagEvents     uint64             `json:"lag_events"`
	LagBytes      uint64             `json:"lag_bytes"`
	SentBytes     uint64             `json:"sent_bytes"`
	Subscriptions []SubscriptionView `json:"subscriptions"` // the first ones
	Count         int                `json:"subscription_count"`
}

// SubscriptionView is one subscription of a client.
type SubscriptionView struct {
	ID       string   `json:"id"`       // "" for that of the connection
	Channels []string `json:"channels"` // the first ones; empty: all channels
	Filter   string   `json:"filter,omitempty"`
}

// clientSink returns the plugin if clients connect to it, else nil.
func (s *Sink) clientSink() plugin.ClientSink {
	c, _ := s.Impl.(plugin.ClientSink)
	return c
}

// ListClients returns a page of the connected clients. Call it only if Lists has clients.
func (s *Sink) ListClients(ctx context.Context, q plugin.ClientQuery) (ClientList, error) {
	q.Limit = min(max(q.Limit, 1), plugin.MaxClients)
	var page plugin.ClientPage
	if err := s.Protect(func() error { page = s.clientSink().Clients(ctx, q); return nil }); err != nil {
		return ClientList{}, err
	}
	out := ClientList{Sink: s.Name, Now: time.Now(), Total: page.Total, Clients: []ClientView{}, Next: page.Next}
	for _, c := range page.Clients {
		v := ClientView{
			ID: c.ID, Address: c.Address, UserAgent: c.UserAgent, Subject: c.Subject, Protocol: c.Protocol, Since: c.Since,
			LagEvents: c.LagEvents, LagBytes: c.LagBytes, SentBytes: c.SentBytes, Subscriptions: []SubscriptionView{}, Count: c.SubscriptionCount,
		}
		for _, sub := range c.Subscriptions {
			v.Subscriptions = append(v.Subscriptions, SubscriptionView{sub.ID, append([]string{}, sub.Channels...), sub.Filter})
		}
		out.Clients = append(out.Clients, v)
	}
	return out, nil
}

// Disconnect disconnects a client by [plugin.ClientSink]. Call it only if Lists has clients.
func (s *Sink) Disconnect(ctx context.Context, id, reason string, reconnect bool) (found bool, err error) {
	err = s.Protect(func() error { found = s.clientSink().Disconnect(ctx, id, reason, reconnect); return nil })
	return found, err
}
