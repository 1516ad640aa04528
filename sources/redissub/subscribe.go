package redissub

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
)

// subscriptions counts the confirmations that are outstanding, in the order of the commands: of the
// channels and patterns, and then of their gap channels, which a user may be denied.
type subscriptions struct {
	events int   // of channels and patterns
	gaps   []int // of each command for gaps
}

// names lists what the source subscribes to.
func (o *Options) names() string {
	return strings.Join(slices.Concat(o.Channels, o.Patterns), ", ")
}

// subscribe sends all commands on one connection.
func (s *source) subscribe(ctx context.Context, sub *redis.PubSub) (*subscriptions, error) {
	awaited := &subscriptions{events: len(s.opts.Channels) + len(s.opts.Patterns)}
	channels, patterns := s.opts.gapChannels()
	for _, command := range []struct {
		send  func(context.Context, ...string) error
		names []string
		gaps  bool
	}{
		{sub.Subscribe, s.opts.Channels, false}, {sub.PSubscribe, s.opts.Patterns, false},
		{sub.Subscribe, channels, true}, {sub.PSubscribe, patterns, true},
	} {
		if len(command.names) == 0 {
			continue
		}
		if err := command.send(ctx, command.names...); err != nil {
			return nil, err
		}
		if command.gaps {
			awaited.gaps = append(awaited.gaps, len(command.names))
		}
	}
	return awaited, nil
}

// complete reports whether all commands are answered.
func (a *subscriptions) complete() bool { return a.events == 0 && len(a.gaps) == 0 }

// confirm counts a confirmation. It reports false for one that is not outstanding.
func (a *subscriptions) confirm(m *redis.Subscription) bool {
	if !redisconn.IsGapChannel(m.Channel) {
		a.events--
		return a.events >= 0
	}
	if len(a.gaps) == 0 {
		return false
	}
	if a.gaps[0]--; a.gaps[0] == 0 {
		a.gaps = a.gaps[1:]
	}
	return true
}

// refuse counts a refused command for gap channels. It reports false for any other error.
func (a *subscriptions) refuse(err error) bool {
	if a.events > 0 || len(a.gaps) == 0 || !redisconn.IsReply(err) {
		return false
	}
	a.gaps = a.gaps[1:]
	return true
}
