package redispub

import (
	"cmp"
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Gap is part of [plugin.GapSink]. It publishes the gap on the sibling of the channel, at
// the server that gets the events: so it comes behind those before it, and, as the router
// writes nothing until it is told, before those behind it.
func (s *sink) Gap(ctx context.Context, g plugin.Gap) error {
	node, err := redisconn.NodeFor(ctx, s.client, cmp.Or(s.opts.Sequence.Key, s.opts.Channel.String()))
	if err != nil {
		return s.ofAll(err)
	}
	channel, prefix := s.gapChannel()
	err = node.Publish(ctx, channel, redisconn.EncodeGap(g, prefix)).Err()
	if redis.HasErrorPrefix(err, "NOPERM") {
		if !s.mute { // once, until it may
			s.env.Log.Warn("gaps are not passed on: the Redis user may not publish them", "channel", channel, "error", err)
		}
		s.mute = true
		return nil
	}
	if err == nil {
		s.mute = false
	}
	return s.ofAll(err)
}

// gapChannel returns where gaps are published. Where the channel depends on the event, it is
// not known in which events are missing: then prefix is how the names of all of them begin.
func (s *sink) gapChannel() (channel, prefix string) {
	if text, ok := s.opts.Channel.Literal(); ok {
		return redisconn.GapChannel(text), ""
	}
	prefix, _, _ = strings.Cut(s.opts.Channel.String(), "{{")
	return redisconn.SharedGapChannel, prefix
}
