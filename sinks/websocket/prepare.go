package websocket

import (
	"errors"
	"log/slog"
	"net/http"
)

// prepare authenticates the client, and finds its topic, before the handshake is answered. On an
// error it returns the status of the answer.
func (c *client) prepare(r *http.Request) (status int, err error) {
	c.protocol = speaksProtocol(r) || !isUpgrade(r)
	if isUpgrade(r) && speaksOtherVersion(r) {
		c.sink.refusedVersions.write(slog.LevelWarn, "client refused: other protocol version", "subprotocols", quoteShort(r.Header.Get("Sec-WebSocket-Protocol")), "peer", r.RemoteAddr)
		return http.StatusBadRequest, errVersion
	}
	if status, err := c.authenticate(r); err != nil {
		return status, err
	}
	if c.request, err = parseQuery(r); err != nil {
		return http.StatusBadRequest, err
	}
	sub, from, err := c.compile(c.request)
	if err != nil {
		return http.StatusBadRequest, err
	}
	if c.awaitingToken {
		c.topic = c.sink.hub.unauthenticated
		c.startPoint.position = c.topic.log.endPosition()
		return 0, nil
	}
	c.request = subscribeRequest{} // needed no more
	if c.topic, c.startPoint, err = c.sink.hub.join(r.Context(), c.address, sub, from); err != nil {
		c.sink.metrics.refused.Inc()
		if errors.Is(err, errTooManyOfAddress) || errors.Is(err, errAddressBusy) {
			return http.StatusTooManyRequests, err
		}
		return http.StatusServiceUnavailable, err
	}
	return 0, nil
}
