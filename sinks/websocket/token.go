package websocket

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// expiryNotice is how long before its token expires a client gets an expiring message. It is half of the time that is left
// if that is shorter.
const expiryNotice = 30 * time.Second

var (
	errExpired         = errors.New("the token has expired")
	errTooManyRenewals = errors.New("too many tokens: wait a second")
)

// receiveToken handles a token that a client sends by message: its first one, or a new one before the old one expires.
func (c *client) receiveToken(token string) {
	ctx, cancel := context.WithTimeout(context.Background(), authMessage)
	defer cancel()
	who, err := c.sink.verify(ctx, token)
	if !c.awaitingToken {
		if err == nil {
			err = c.renew(ctx, who)
		}
		c.queueControl(c.encodeControl(authMessageOf(who.expires, err)))
		return
	}
	if err == nil {
		err = c.grant(who)
	}
	if err != nil {
		c.closeWithError(closePolicy, err)
		return
	}
	if err := c.subscribeFirst(); err != nil {
		c.closeWithError(closeCodeOf(err), err)
		return
	}
	c.awaitingToken = false
	c.expire()
}

// subscribeFirst begins the subscription of the query, if there is one, behind the token.
func (c *client) subscribeFirst() error {
	if !c.request.none {
		return c.subscribe(context.Background(), "", *c.request)
	}
	c.mu.Lock()
	c.admit()
	c.mu.Unlock()
	c.wake()
	return nil
}

// renew gives the client the rights of a new token. If they differ, it continues each subscription with the new rights
// behind the messages that it was sent; on an error all are unchanged.
func (c *client) renew(ctx context.Context, who identity) error {
	joins := min(max(c.subscriptionCount(), 1), c.subscribes.Burst()) // as many subscribe messages would take
	if !c.subscribes.AllowN(time.Now(), joins) {
		return errTooManyRenewals
	}
	rights, err := rightsOf(c.sink.opts.Authorize, who.claims)
	if err != nil {
		return err
	}
	if rights.id != c.rights.id {
		if err := c.moveToRights(ctx, rights); err != nil {
			return err
		}
	}
	c.rights, c.expires = rights, who.expires
	c.setSubject(who.claims)
	c.expire()
	return nil
}

// moveToRights moves all readers to topics with other rights.
func (c *client) moveToRights(ctx context.Context, rights rights) error {
	defer c.closeIfEnded()
	moves := c.pauseReaders(func(*reader) bool { return true })
	for i := range moves {
		sub := &moves[i].subscription
		sub.rights, sub.protocol = rights, c.protocol
		if err := sub.checkChannels(); err != nil {
			c.resumeReaders(moves)
			return err
		}
		moves[i].from = resumePoint{given: true}
	}
	return c.move(ctx, moves)
}

// authMessageOf returns the answer to a token that renews another one: when it expires, or why it is refused.
func authMessageOf(expires time.Time, err error) []byte {
	answer := struct { // such fields always encode
		Type    string `json:"type"`
		Expires int64  `json:"expires,omitempty"` // seconds since 1970
		Reason  string `json:"reason,omitempty"`
	}{Type: "auth"}
	if err != nil {
		answer.Reason = err.Error()
	} else if !expires.IsZero() {
		answer.Expires = expires.Unix()
	}
	text, _ := json.Marshal(answer)
	return text
}

// expire starts the timer that closes the client when its token expires, or does not come in time. Before a token
// expires, a client that speaks the protocol gets an expiring message.
func (c *client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.awaitingToken {
		c.timer = time.AfterFunc(authMessage, func() { c.closeWithError(closePolicy, errNoToken) })
		return
	}
	if c.expires.IsZero() {
		return
	}
	left := max(time.Until(c.expires)+jwtLeeway, 0) // verify has the same leeway
	notice := min(expiryNotice, left/2)
	var timer *time.Timer
	timer = time.AfterFunc(left-notice, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.timer != timer { // the token was renewed meanwhile
			return
		}
		if c.protocol {
			c.controls = append(c.controls, controlFrame(expiringMessage(notice))...)
			c.wake()
		}
		c.timer = time.AfterFunc(notice, func() { c.closeWithError(closePolicy, errExpired) })
	})
	c.timer = timer
}

// stopTimer stops the timer of expire.
func (c *client) stopTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// closeWithError closes a client whose token, or whose first subscription, is refused. A client that speaks the protocol gets
// the reason before.
func (c *client) closeWithError(code int, err error) {
	if c.protocol {
		c.queueControl(controlFrame(errorMessage(err)))
	}
	c.close(closeFrame(code, err.Error()), "auth", false)
}
