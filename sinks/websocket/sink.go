package websocket

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/olahol/melody"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

type sink struct {
	opts    Options
	env     plugin.Env
	melody  *melody.Melody
	hub     *hub
	welcome []byte // nil: none
	origins map[string]bool
	metrics *metrics
	jwt     *verifier // nil where no signed tokens are taken

	refusedOrigins, refusedVersions, strippedHandshakes *limitedLog

	mu       sync.Mutex
	clients  map[*client]struct{}
	gate     *clientLimits
	closed   bool
	handlers sync.WaitGroup // handlers under way
}

// clientKey is where a melody session keeps its client.
const clientKey = "client"

func clientOf(s *melody.Session) *client { return s.MustGet(clientKey).(*client) }

// ServeHTTP upgrades, or answers with server-sent events. It returns when that is done, and
// the client goes on in a goroutine of its own: what the server keeps for a request, buffers
// and a stack, is more than all that a client needs.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.cors(w, r)
	if r.Method == http.MethodOptions {
		s.preflight(w, r)
		return
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the gateway is stopping", http.StatusServiceUnavailable)
		return
	}
	address := limitKey(s.gate.address(r))
	if status, err := s.gate.acquire(address); err != nil {
		s.mu.Unlock()
		s.metrics.refused.Inc()
		w.Header().Set("Retry-After", "5")
		http.Error(w, err.Error(), status)
		return
	}
	s.handlers.Add(1)
	s.mu.Unlock()

	c := newClient(s, address)
	h := &hijacker{ResponseWriter: w, c: c, hijacked: make(chan struct{})}
	answered := make(chan struct{})
	s.env.Go(func(context.Context) {
		defer s.releaseClient(address)
		defer close(answered)
		s.serveClient(h, r, c)
	})
	select {
	case <-h.hijacked:
	case <-answered:
	}
}

// releaseClient notes that a client is gone, as which it has entered.
func (s *sink) releaseClient(address string) {
	s.mu.Lock()
	s.gate.release(address)
	s.mu.Unlock()
	s.handlers.Done()
}

// serveClient serves a client until it is gone.
func (s *sink) serveClient(h *hijacker, r *http.Request, c *client) {
	if stripped(r) {
		h.Header().Set("Upgrade", "websocket")
		s.refuse(h, r, http.StatusUpgradeRequired, errStripped)
		return
	}
	if !c.prepareOrRefuse(h, r) {
		return
	}
	defer s.hub.detach(c)
	defer s.awaitClient(c)
	defer c.recoverPanic(nil) // it would keep h, and the server's buffers
	peer := r.RemoteAddr
	var err error
	if isUpgrade(r) {
		if p := subprotocol(r); p != "" {
			h.Header().Set("Sec-WebSocket-Protocol", p)
		}
		err = s.melody.HandleRequestWithKeys(h, r, map[string]any{clientKey: c})
	} else {
		err = s.serveEvents(h, r, c)
	}
	if err != nil {
		s.env.Log.Debug("handshake failed", "peer", peer, "error", err)
	}
}

// prepareOrRefuse prepares a client, or answers why it is refused.
func (c *client) prepareOrRefuse(h *hijacker, r *http.Request) bool {
	defer c.recoverPanic(h)
	status, err := c.prepare(r)
	if err == nil {
		return true
	}
	if status == http.StatusUnauthorized {
		h.Header().Set("WWW-Authenticate", "Bearer")
	}
	http.Error(h, err.Error(), cmp.Or(status, http.StatusInternalServerError))
	return false
}

// awaitClient waits until a client that has started has ended, and takes it off the list.
func (s *sink) awaitClient(c *client) {
	if c.started {
		<-c.done
		c.stopTimer()
		s.removeClient(c)
	}
}

// Open is part of [plugin.Opener].
func (s *sink) Open(context.Context) error {
	if s.jwt == nil {
		return nil
	}
	return s.jwt.fetchKeys(s.env.Log)
}

func isUpgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

// addClient registers a client; one that comes during a stop is sent away again.
func (s *sink) addClient(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = struct{}{}
	s.metrics.clients.Inc()
	if s.closed {
		c.close(restartFrame(), "shutdown", false)
	}
}

func (s *sink) removeClient(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	c.noteReason("client")
	s.metrics.clients.Dec()
	s.metrics.disconnects.WithLabelValues(c.reason).Inc()
}

// listClients returns the clients of this moment.
func (s *sink) listClients() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		list = append(list, c)
	}
	return list
}

// Write is part of [plugin.Sink]: delivered means in the log. Bytes that are not
// UTF-8 go out as a binary frame: in a text frame they would make every browser
// fail its connection (RFC 6455, section 8.1).
func (s *sink) Write(_ context.Context, events []*event.Event) error {
	if s.hub.write(events) {
		s.metrics.lag.Set(float64(s.handleSlowClients()))
	}
	return nil
}

// Gap is part of [plugin.GapSink]: clients that speak the protocol are told.
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
