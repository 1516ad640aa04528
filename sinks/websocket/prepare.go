package websocket

import "net/http"

// prepare finds out what the client may and wants to see, before anything is answered.
func (c *client) prepare(r *http.Request) (status int, err error) {
	c.protocol = speaks(r) || !upgrades(r)
	if status, err := c.authenticate(r); err != nil {
		return status, err
	}
	if c.wish, err = queryWish(r); err != nil {
		return http.StatusBadRequest, err
	}
	sub, err := c.wish.subscription(c.sink.opts, c.protocol)
	if err != nil {
		return http.StatusBadRequest, err
	}
	has, err := c.wish.after()
	if err != nil {
		return http.StatusBadRequest, err
	}
	if c.waiting {
		c.topic = c.sink.hub.none
		c.begin.position = c.topic.log.start()
		return 0, nil
	}
	sub.allowed = c.rights
	if c.topic, c.begin, err = c.sink.hub.join(sub, has); err != nil {
		return http.StatusServiceUnavailable, err
	}
	return 0, nil
}

// subscribe goes on with another subscription.
func (c *client) subscribe(w wish) error {
	sub, err := w.subscription(c.sink.opts, c.protocol)
	if err != nil {
		return err
	}
	has, err := w.after()
	if err != nil {
		return err
	}
	sub.allowed = c.rights
	return c.sink.hub.move(c, sub, has)
}
