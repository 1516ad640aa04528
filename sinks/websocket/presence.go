package websocket

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"eventgateway/gateway/plugin"
	"eventgateway/sinks/websocket/presence"
)

// maxPresence is how many bytes of presence messages a client is sent at once, about.
const maxPresence = 64 << 10

var errNoPresence = errors.New("this server keeps no presence")

// newPresence creates the registry of the clients on channels, if one is configured.
func (s *sink) newPresence() (err error) {
	if !s.opts.Presence.On() {
		return nil
	}
	s.presence, err = presence.New(s.opts.Presence, presence.Config{Encode: controlFrame, Env: s.env})
	var wrong *plugin.OptionError
	if errors.As(err, &wrong) {
		return &plugin.OptionError{Option: "presence." + wrong.Option, Err: wrong.Err}
	}
	return err
}

// closePresence closes the registry.
func (s *sink) closePresence(ctx context.Context) {
	if s.presence != nil {
		s.presence.Close(ctx)
	}
}

// newMember returns a client of the registry, nil if there is none.
func (s *sink) newMember(wake func()) *presence.Member {
	if s.presence == nil {
		return nil
	}
	return s.presence.NewMember(wake)
}

// setSubject sets the subject by which the client is present.
func (c *client) setSubject(claims map[string]any) {
	subject, _ := claims["sub"].(string)
	c.access.SetUser(subject, "")
	c.mu.Lock()
	c.subject = subject
	c.mu.Unlock()
	if c.presence != nil {
		c.presence.SetSubject(subject)
	}
}

// setPresence begins the presence of a new subscription. If it watches, the client gets the state of its channels, and
// then the changes.
func (c *client) setPresence(id string, watches bool) {
	if c.presence == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readers {
		if r.id != id {
			continue
		}
		r.watches = watches && c.protocol
		c.updatePresence()
		if r.watches {
			for _, name := range r.topic.subscription.channels {
				_ = c.presence.Ask(name) // it is an error for a channel without presence
			}
		}
	}
}

// updatePresence makes the client present on the channels that its subscriptions have now. A name that ends with * is no
// channel. It needs mu.
func (c *client) updatePresence() {
	if c.presence == nil {
		return
	}
	channels := map[string]bool{}
	for _, r := range c.readers {
		for _, name := range r.topic.subscription.channels {
			if !strings.HasSuffix(name, "*") {
				channels[name] = channels[name] || r.watches
			}
		}
	}
	c.presence.Set(channels)
}

// askPresence answers the question who is on a channel.
func (c *client) askPresence(channel string) {
	err := errNoPresence
	if c.presence != nil {
		err = c.presence.Ask(channel)
	}
	if err != nil {
		c.queueControl(controlFrame(presenceErrorMessage(channel, fmt.Errorf("presence of %s: %w", quoteShort(channel), err))))
	}
}

// takePresence takes the frames of presence messages. Called before the other control frames are taken, it takes none
// that belongs behind them.
func (c *client) takePresence() []byte {
	if c.presence == nil {
		return nil
	}
	return c.presence.AppendMessages(nil, maxPresence)
}
