package websocket

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unique"

	"eventgateway/gateway/plugin"
)

// Operators look at the clients page by page, and disconnect one. A page takes the clients from the list in parts, so that sink.mu is
// held for a moment only, and the lock of each client once.

// Bounds of what operators see of one client.
const (
	maxShownSubscriptions = 20
	maxShownChannels      = 20 // of one subscription
	maxShownText          = 256
)

// clientsPerPart is how many places of the list are looked at with sink.mu held.
const clientsPerPart = 1000

// Clients is part of [plugin.ClientSink]. The ID of a client is the number of its connection.
func (s *sink) Clients(ctx context.Context, q plugin.ClientQuery) (page plugin.ClientPage) {
	after, _ := strconv.ParseUint(q.After, 10, 64) // 0 for "", and for what is no ID
	search := search{text: strings.ToLower(q.Search), agents: map[unique.Handle[string]]bool{}}
	for more := true; more && ctx.Err() == nil; {
		var part []*client
		s.mu.Lock()
		part, after, more = s.clients.part(after, clientsPerPart)
		page.Total = s.clients.count
		s.mu.Unlock()
		for i, c := range part {
			if !search.matches(c) {
				continue
			}
			if len(page.Clients) == q.Limit {
				page.Next = page.Clients[q.Limit-1].ID
				return page
			}
			page.Clients = append(page.Clients, c.describe())
			part[i] = nil
		}
	}
	return page
}

// search finds clients by a text.
type search struct {
	text   string                         // in lower case; "": all
	agents map[unique.Handle[string]]bool // user agents that were compared; there are few different ones
}

// matches reports whether the address, the subject or the user agent of a client contains the text.
func (s search) matches(c *client) bool {
	if s.text == "" || strings.Contains(c.host, s.text) {
		return true
	}
	found, known := s.agents[c.agent]
	if !known {
		found = strings.Contains(strings.ToLower(c.agent.Value()), s.text)
		s.agents[c.agent] = found
	}
	if found {
		return true
	}
	c.mu.Lock()
	subject := c.subject
	c.mu.Unlock()
	return strings.Contains(strings.ToLower(subject), s.text)
}

// describe returns what operators see of the client.
func (c *client) describe() plugin.Client {
	d := plugin.Client{
		ID: strconv.FormatUint(c.number, 10), Address: c.host, UserAgent: c.agent.Value(), Protocol: c.protocolName(),
		Since: time.Unix(0, c.since), SentBytes: c.sentBytes.Load(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d.Subject, d.SubscriptionCount = shorten(c.subject), len(c.readers)
	for i, r := range c.readers {
		if !r.idle() {
			l := r.lag()
			d.LagEvents, d.LagBytes = d.LagEvents+l.messages, d.LagBytes+l.bytes
		}
		if i < maxShownSubscriptions {
			d.Subscriptions = append(d.Subscriptions, r.describe())
		}
	}
	return d
}

// describe returns the subscription of the reader. It needs client.mu.
func (r *reader) describe() plugin.ClientSubscription {
	sub := plugin.ClientSubscription{ID: r.id, Filter: shorten(r.topic.filter.String())}
	for _, name := range r.topic.channels[:min(len(r.topic.channels), maxShownChannels)] {
		sub.Channels = append(sub.Channels, shorten(name))
	}
	return sub
}

// protocolName returns the protocol that the client speaks.
func (c *client) protocolName() string {
	switch {
	case c.conn.stream != nil:
		return "server-sent events"
	case c.protocol:
		return Protocol
	}
	return "WebSocket"
}

// shorten returns at most maxShownText bytes of a text of a client.
func shorten(text string) string {
	if len(text) > maxShownText {
		cut := maxShownText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// maxCloseReason bounds the reason in a close frame, in bytes (RFC 6455, section 5.5).
const maxCloseReason = 123

// Disconnect is part of [plugin.ClientSink].
func (s *sink) Disconnect(_ context.Context, id, reason string, reconnect bool) (found bool) {
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil || number == 0 {
		return false
	}
	s.mu.Lock()
	part, _, _ := s.clients.part(number-1, 1)
	s.mu.Unlock()
	if len(part) == 0 || part[0].number != number {
		return false
	}
	code := closeRemoved
	if reconnect {
		code = closeRestart
	}
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxCloseReason)], "") // browsers refuse a close frame with another text
	part[0].close(closeFrame(code, reason), "operator", false)
	return true
}

var _ plugin.ClientSink = (*sink)(nil)
