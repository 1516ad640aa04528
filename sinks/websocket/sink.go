package websocket

import (
	"context"
	"sync"

	"github.com/olahol/melody"

	"eventgateway/gateway/event"
	"eventgateway/gateway/logsample"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks/websocket/presence"
)

// sink is the sink websocket.
type sink struct {
	opts      Options
	env       plugin.Env
	melody    *melody.Melody
	hub       *hub
	welcome   []byte          // nil: none
	origins   map[string]bool // see normalizeOrigins
	metrics   *metrics
	deflater  *deflater          // nil: no compression
	jwt       *verifier          // nil: no signed tokens
	snapshots *snapshots         // nil: none
	presence  *presence.Registry // nil: no presence is kept

	refusedOrigins, refusedVersions, strippedHandshakes *logsample.Sampler // of log lines

	mu       sync.Mutex
	clients  clientList
	limits   *clientLimits
	closed   bool
	handlers sync.WaitGroup // calls of serveClient

	checkedMessages, checkedBytes uint64 // of the main log when the lags of clients were checked last; only Write
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
	s.clients.add(c)
	s.metrics.clients.Inc()
	if s.closed {
		c.close(restartFrame(), "shutdown", false)
	}
}

// removeClient removes a client from the sink, and counts the disconnect.
func (s *sink) removeClient(c *client) {
	s.mu.Lock()
	s.clients.remove(c)
	s.mu.Unlock()
	s.metrics.clients.Dec()
	s.metrics.disconnects.WithLabelValues(c.reason).Inc()
}

// listClients returns the connected clients.
func (s *sink) listClients() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients.all()
}

// Write is part of [plugin.Sink]. An event is delivered when it is in the log. It never fails: a
// slow client delays no other, and lags by itself.
func (s *sink) Write(_ context.Context, events []*event.Event) error {
	rolled := s.hub.write(events)
	s.hub.stream.admit()
	if rolled && s.lagCheckDue() {
		s.metrics.lag.Set(float64(s.handleSlowClients()))
	}
	if s.hub.stream.disorder {
		s.hub.stream.disorder = false
		s.sendGap(disorderGap)
	}
	return nil
}

// clientsPerChunk is how many clients are checked for each chunk of the main log, on average. So an event costs the same
// for any number of clients.
const clientsPerChunk = 500

// lagCheckDue reports whether handleSlowClients must be called, now that a chunk of the main log is complete. A client may
// exceed its bounds by an eighth until then, or by a chunk.
func (s *sink) lagCheckDue() bool {
	s.mu.Lock()
	clients := s.clients.count
	s.mu.Unlock()
	messages, bytes := s.hub.main.log.messages.Load(), s.hub.main.log.bytes.Load()
	if bytes-s.checkedBytes < min(uint64(clients)*chunkSize/clientsPerChunk, uint64(s.opts.MaxLag.Bytes)/8) && messages-s.checkedMessages < uint64(s.opts.MaxLag.Events)/8 {
		return false
	}
	s.checkedMessages, s.checkedBytes = messages, bytes
	return true
}

// Gap is part of [plugin.GapSink]. It sends a gap message to the clients that speak the protocol.
func (s *sink) Gap(_ context.Context, g plugin.Gap) error {
	s.hub.noteGap()
	s.hub.stream.admit()
	s.sendGap(g)
	return nil
}

// sendGap sends a gap message to the clients that speak the protocol.
func (s *sink) sendGap(g plugin.Gap) {
	s.hub.sendPositions()
	frame := controlFrame(gapMessage(g))
	for _, c := range s.listClients() {
		if c.protocol && c.authenticated() {
			c.queueGap(frame)
		}
	}
}

// Probe is part of [plugin.Prober].
func (s *sink) Probe(ctx context.Context) (findings []plugin.Finding) {
	if s.presence != nil {
		findings = s.presence.Probe(ctx)
	}
	return append(findings, s.snapshots.probe(ctx, s.env.Name)...)
}
