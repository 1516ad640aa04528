package websocket

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
)

// prepare finds out what the client may and wants to see, before anything is answered.
func (c *client) prepare(r *http.Request) (status int, err error) {
	c.protocol = speaks(r) || !upgrades(r)
	if upgrades(r) && speaksOther(r) {
		c.sink.refusedVersions.write(slog.LevelWarn, "a client was refused: it speaks another version of the protocol", "speaks", shown(r.Header.Get("Sec-WebSocket-Protocol")), "peer", r.RemoteAddr)
		return http.StatusBadRequest, errVersion
	}
	if status, err := c.authenticate(r); err != nil {
		return status, err
	}
	if c.wish, err = queryWish(r); err != nil {
		return http.StatusBadRequest, err
	}
	sub, has, err := c.asks(c.wish)
	if err != nil {
		return http.StatusBadRequest, err
	}
	if c.waiting {
		c.topic = c.sink.hub.none
		c.begin.position = c.topic.log.start()
		return 0, nil
	}
	c.wish = wish{} // it would be kept
	if c.topic, c.begin, err = c.sink.hub.join(r.Context(), c.address, sub, has); err != nil {
		c.sink.metrics.refused.Inc()
		if errors.Is(err, errHasMany) || errors.Is(err, errTooBusy) {
			return http.StatusTooManyRequests, err
		}
		return http.StatusServiceUnavailable, err
	}
	return 0, nil
}

// asks returns what a wish comes to with the client's rights.
func (c *client) asks(w wish) (sub subscription, has after, err error) {
	if sub, err = w.subscription(c.sink.opts, c.protocol); err != nil {
		return sub, has, err
	}
	sub.allowed = c.rights
	has, err = w.after()
	return sub, has, err
}

// subscribe goes on with another subscription.
func (c *client) subscribe(w wish) error {
	sub, has, err := c.asks(w)
	if err != nil {
		return err
	}
	return c.sink.hub.move(context.Background(), c, sub, has)
}
