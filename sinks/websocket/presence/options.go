package presence

import (
	"fmt"
	"slices"
	"strings"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Options configures a [Registry].
type Options struct {
	Channels    []string         `koanf:"channels" doc:"channels for which presence is kept, such as lobby, or room:* for all with the prefix; empty: none"`
	Subjects    bool             `koanf:"subjects" doc:"whether the clients on a channel see the subjects (claim sub) of the others, and not only their number"`
	MaxSubjects int              `koanf:"max_subjects" rule:"min=1,max=5000" doc:"bound of the subjects of a channel that are sent; of a channel with more, only the number of clients is sent"`
	MaxChannels int              `koanf:"max_channels" rule:"min=1,max=10000000" doc:"bound of the channels with clients of this gateway; beyond, no presence is kept"`
	Linger      options.Duration `koanf:"linger" rule:"min=0s,max=1m" doc:"how long a client that has left still counts, so that a page that is loaded again neither leaves nor joins"`
	Redis       options.URL      `koanf:"redis" rule:"scheme=redis|rediss|unix|redis-sentinel|rediss-sentinel|redis-cluster|rediss-cluster,embedded=redis" doc:"Redis through which gateways add up their clients"`
	TLS         options.TLS      `koanf:"tls"`
	Prefix      string           `koanf:"prefix" rule:"required" doc:"prefix of the keys in Redis; sinks with the same prefix add up their clients"`
}

// Docs is part of [options.Documented].
func (Options) Docs() map[string]string {
	return map[string]string{
		"channels":     "A client is on a channel if it subscribes to it by its name, without *",
		"redis":        "Empty: this gateway counts its own clients only. " + redisconn.URLDoc,
		"max_channels": "One client counts for 100 channels at most",
	}
}

// Defaults returns the options of a registry that is off.
func Defaults() Options {
	return Options{MaxSubjects: 500, MaxChannels: 100_000, Linger: options.Duration(3e9), Prefix: "gateway:presence:"}
}

// On reports whether presence is kept for any channel.
func (o Options) On() bool { return len(o.Channels) > 0 }

// maxPatterns bounds the entries of Options.Channels.
const maxPatterns = 100

// Check is part of [options.Checker].
func (o *Options) Check(report func(option, text string)) {
	if len(o.Channels) > maxPatterns {
		report("channels", fmt.Sprintf("has more than %d entries: use a common prefix with *", maxPatterns))
	}
	for i, c := range o.Channels {
		if c == "" || strings.Contains(strings.TrimSuffix(c, "*"), "*") {
			report(fmt.Sprintf("channels[%d]", i), "is no name of a channel: write room:1, or room:* for all with the prefix")
		}
	}
}

// keeps reports whether presence is kept for a channel.
func (o Options) keeps(channel string) bool {
	return slices.ContainsFunc(o.Channels, func(pattern string) bool {
		prefix, all := strings.CutSuffix(pattern, "*")
		return channel == pattern || all && strings.HasPrefix(channel, prefix)
	})
}

// Right is what the user at Redis must be allowed.
var Right = plugin.Right{For: "presence.redis", Rules: "+eval +evalsha +time +zadd +zrem +zscore +zrange +zremrangebyscore +pexpire +hset +hdel +hgetall +xadd +xread ~PREFIX*"}
