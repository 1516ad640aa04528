package websocket

import (
	"context"
	"sync"

	"github.com/olahol/melody"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks/websocket/presence"
)

// sink is the sink websocket.
type sink struct {
	opts     Options
	env      plugin.Env
	melody   *melody.Melody
	hub      *hub
	welcome  []byte          // nil: none
	origins  map[string]bool // see normalizeOrigins
	metrics  *metrics
	jwt      *verifier          // nil: no signed tokens
	presence *presence.Registry // nil: no presence is kept

	refusedOrigins, refusedVersions, strippedHandshakes *limitedLog

	mu       sync.Mutex
	clients  map[*client]struct{}
	limits   *clientLimits
	closed   bool
	handlers sync.WaitGroup // calls of serveClient
}

// Open is part of [plugin.Opener].
func (s *sink) Open(context.Context) error {
	if s.jwt == nil {
		return nil
	}
	return s.jwt.fetchKeys(s.env.Log)
}

// addClient adds a client to the sink. During a stop it closes the client.
func (s *sink) addClient(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = struct{}{}
	s.metrics.clients.Inc()
	if s.closed {
		c.close(restartFrame(), "shutdown", false)
	}
}

// removeClient removes a client from the sink, and counts the disconnect.
func (s *sink) removeClient(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	c.noteReason("client")
	s.metrics.clients.Dec()
	s.metrics.disconnects.WithLabelValues(c.reason).Inc()
}

// listClients returns the connected clients.
func (s *sink) listClients() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		list = append(list, c)
	}
	return list
}

// Write is part of [plugin.Sink]. An event is delivered when it is in the log. It never fails: a
// slow client delays no other, and lags by itself.
func (s *sink) Write(_ context.Context, events []*event.Event) error {
	if s.hub.write(events) {
		s.metrics.lag.Set(float64(s.handleSlowClients()))
	}
	return nil
}

// Gap is part of [plugin.GapSink]. It sends a gap message to the clients that speak the protocol.
func (s *sink) Gap(_ context.Context, g plugin.Gap) error {
	s.hub.noteGap()
	frame := controlFrame(gapMessage(g))
	for _, c := range s.listClients() {
		if c.protocol && c.authenticated() {
			c.queueGap(frame)
		}
	}
	return nil
}
