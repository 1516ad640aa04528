package websocket

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/olahol/melody"

	"eventgateway/gateway/plugin"
)

// clientKey is the key of the client in a melody session.
const clientKey = "client"

func clientOf(s *melody.Session) *client { return s.MustGet(clientKey).(*client) }

// ServeHTTP upgrades a request, or answers with server-sent events. It returns after the handshake,
// and the client runs in goroutines of its own: the server's buffers and stack for a request
// need more memory than a client.
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
	host, access := s.limits.address(r), plugin.Access(r.Context())
	access.SetClient(host)
	address := limitKey(host)
	if status, err := s.limits.acquire(address); err != nil {
		s.mu.Unlock()
		s.metrics.refused.Inc()
		w.Header().Set("Retry-After", "5")
		http.Error(w, err.Error(), status)
		return
	}
	s.handlers.Add(1)
	s.mu.Unlock()
	if isSnapshot(r) {
		s.answerSnapshot(w, r, address)
		return
	}

	c := newClient(s, host, r.UserAgent(), access)
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

// serveClient does the handshake with a client, and waits until the client has disconnected.
func (s *sink) serveClient(h *hijacker, r *http.Request, c *client) {
	if isStripped(r) {
		h.Header().Set("Upgrade", "websocket")
		s.refuse(h, r, http.StatusUpgradeRequired, errStripped)
		return
	}
	if !c.prepareOrRefuse(h, r, c.prepare) {
		return
	}
	defer s.hub.detach(c)
	defer c.finishStream()
	defer s.awaitClient(c)
	defer c.recoverPanic(nil) // h would keep the server's buffers in memory
	peer := r.RemoteAddr
	var err error
	if isUpgrade(r) {
		if p := negotiateSubprotocol(r); p != "" {
			h.Header().Set("Sec-WebSocket-Protocol", p)
		}
		if s.deflater != nil {
			c.negotiateCompression(h, r)
		}
		err = s.melody.HandleRequestWithKeys(h, r, map[string]any{clientKey: c})
	} else {
		err = s.serveEvents(h, r, c)
	}
	if err != nil {
		s.env.Log.Debug("handshake failed", "peer", peer, "error", err)
	}
}

// prepareOrRefuse prepares a client, or answers with the reason. It reports whether the client is prepared.
func (c *client) prepareOrRefuse(h *hijacker, r *http.Request, prepare func(*http.Request) (status int, err error)) bool {
	defer c.recoverPanic(h)
	status, err := prepare(r)
	if err == nil {
		return true
	}
	if status == http.StatusUnauthorized {
		h.Header().Set("WWW-Authenticate", "Bearer")
	}
	http.Error(h, err.Error(), cmp.Or(status, http.StatusInternalServerError))
	return false
}

// prepare authenticates the client, and finds the topic of its query, before the handshake is answered. On an
// error it returns the status of the answer.
func (c *client) prepare(r *http.Request) (status int, err error) {
	c.protocol = speaksProtocol(r) || !isUpgrade(r)
	if isUpgrade(r) && speaksOtherVersion(r) {
		c.sink.refusedVersions.Log(c.sink.env.Log, slog.LevelWarn, "client refused: other protocol version", "subprotocols", quoteShort(r.Header.Get("Sec-WebSocket-Protocol")), "peer", r.RemoteAddr)
		return http.StatusBadRequest, errVersion
	}
	request, sub, from, status, err := c.readRequest(r)
	if err != nil {
		return status, err
	}
	switch {
	case c.awaitingToken:
		c.request = &request
		return 0, nil
	case request.none:
		c.admit()
		return 0, nil
	}
	if status, err = c.joinStatus(c.addReader(r.Context(), "", sub, from, isUpgrade(r) && c.mayHaveAttributes(request))); err == nil {
		c.setPresence("", request.Presence)
	}
	return status, err
}

// readRequest authenticates the client, and returns the subscription of its query. On an error it returns the status of the
// answer.
func (c *client) readRequest(r *http.Request) (request subscribeRequest, sub subscription, from resumePoint, status int, err error) {
	if status, err = c.authenticate(r); err != nil {
		return request, sub, from, status, err
	}
	if request, err = c.parseRequest(r); err == nil {
		sub, from, err = c.compile(request)
	}
	status = http.StatusBadRequest
	if errors.As(err, new(forbiddenError)) {
		status = http.StatusForbidden
	}
	return request, sub, from, status, err
}

// joinStatus counts a client that cannot join its topic, and returns the status of the answer.
func (c *client) joinStatus(err error) (status int, _ error) {
	if err == nil {
		return 0, nil
	}
	c.sink.metrics.refused.Inc()
	if errors.Is(err, errTooManyOfAddress) || errors.Is(err, errAddressBusy) {
		return http.StatusTooManyRequests, err
	}
	return http.StatusServiceUnavailable, err
}

// awaitClient waits until a client has ended, and removes it from the sink. A client without a
// successful handshake was never added.
func (s *sink) awaitClient(c *client) {
	if c.started {
		<-c.done
		c.stopTimer()
		s.removeClient(c)
	}
}

// finishStream ends the stream of a client that gets server-sent events by HTTP/2, before its handler returns.
func (c *client) finishStream() {
	if c.stream != nil {
		c.stream.finish()
	}
}

// releaseClient removes a client of an address from the limits.
func (s *sink) releaseClient(address string) {
	s.mu.Lock()
	s.limits.release(address)
	s.mu.Unlock()
	s.handlers.Done()
}
