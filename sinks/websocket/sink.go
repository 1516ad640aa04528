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

	refusedOrigins, refusedVersions, strippedHandshakes *sparingLog

	mu      sync.Mutex
	clients map[*client]struct{}
	gate    *gate
	closed  bool
	left    sync.WaitGroup // handlers under way
}

// clientKey is where a melody session keeps its client.
const clientKey = "client"

func of(s *melody.Session) *client { return s.MustGet(clientKey).(*client) }

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
	address := site(s.gate.address(r))
	if status, err := s.gate.enter(address); err != nil {
		s.mu.Unlock()
		s.metrics.refused.Inc()
		w.Header().Set("Retry-After", "5")
		http.Error(w, err.Error(), status)
		return
	}
	s.left.Add(1)
	s.mu.Unlock()

	c := newClient(s, address)
	h := &hijacker{ResponseWriter: w, c: c, taken: make(chan struct{})}
	answered := make(chan struct{})
	s.env.Go(func(context.Context) {
		defer s.leave(address)
		defer close(answered)
		s.attend(h, r, c)
	})
	select {
	case <-h.taken:
	case <-answered:
	}
}

// leave notes that a client is gone, as which it has entered.
func (s *sink) leave(address string) {
	s.mu.Lock()
	s.gate.leave(address)
	s.mu.Unlock()
	s.left.Done()
}

// attend serves a client until it is gone.
func (s *sink) attend(h *hijacker, r *http.Request, c *client) {
	if stripped(r) {
		h.Header().Set("Upgrade", "websocket")
		s.refuse(h, r, http.StatusUpgradeRequired, errStripped)
		return
	}
	if !c.admit(h, r) {
		return
	}
	defer s.hub.leave(c)
	defer s.forget(c)
	defer c.cutOff(nil) // it would keep h, and the server's buffers
	peer := r.RemoteAddr
	var err error
	if upgrades(r) {
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

// admit prepares a client, or answers why it is refused.
func (c *client) admit(h *hijacker, r *http.Request) bool {
	defer c.cutOff(h)
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

// forget waits until a client that has started has ended, and takes it off the list.
func (s *sink) forget(c *client) {
	if c.started {
		<-c.finished
		c.stopTimer()
		s.remove(c)
	}
}

// Open is part of [plugin.Opener].
func (s *sink) Open(context.Context) error {
	if s.jwt == nil {
		return nil
	}
	return s.jwt.open(s.env.Log)
}

func upgrades(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

// add registers a client; one that comes during a stop is sent away again.
func (s *sink) add(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c] = struct{}{}
	s.metrics.clients.Inc()
	if s.closed {
		c.close(restart(), "shutdown", false)
	}
}

func (s *sink) remove(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	c.ended("client")
	s.metrics.clients.Dec()
	s.metrics.disconnects.WithLabelValues(c.reason).Inc()
}

// all returns the clients of this moment.
func (s *sink) all() []*client {
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
		s.metrics.lag.Set(float64(s.dropSlow()))
	}
	return nil
}

// Gap is part of [plugin.GapSink]: clients that speak the protocol are told.
func (s *sink) Gap(_ context.Context, g plugin.Gap) error {
	s.hub.gap()
	frame := controlFrame(gapMessage(g))
	for _, c := range s.all() {
		if c.protocol && c.known() {
			c.enqueueGap(frame)
		}
	}
	return nil
}
