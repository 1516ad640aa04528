package redispub

import (
	"cmp"
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Gap is part of [plugin.GapSink]. It publishes the gap on the gap channel, at the server that gets
// the events. So it comes after earlier events, and before later ones, which the router writes when
// Gap has returned.
func (s *sink) Gap(ctx context.Context, g plugin.Gap) error {
	node, err := redisconn.NodeFor(ctx, s.client, cmp.Or(s.opts.Sequence.Key, s.opts.Channel.String()))
	if err != nil {
		return s.serverError(err)
	}
	channel, prefix := s.gapChannel()
	err = node.Publish(ctx, channel, redisconn.EncodeGap(g, prefix)).Err()
	if redis.HasErrorPrefix(err, "NOPERM") {
		if !s.gapsDenied { // one warning until it is allowed
			s.env.Log.Warn("gap publication denied", "channel", channel, "error", err)
		}
		s.gapsDenied = true
		return nil
	}
	if err == nil {
		s.gapsDenied = false
	}
	return s.serverError(err)
}

// gapChannel returns the channel for gaps. Where the channel of events depends on the event, prefix
// is the common beginning of their names.
func (s *sink) gapChannel() (channel, prefix string) {
	if text, ok := s.opts.Channel.Literal(); ok {
		return redisconn.GapChannel(text), ""
	}
	prefix, _, _ = strings.Cut(s.opts.Channel.String(), "{{")
	return redisconn.SharedGapChannel, prefix
}
