package redisconn

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// A Subscriber connects subscriptions to one server, and checks whether it is still the right one. A subscription stays at its
// server while that answers, also where messages are published at another by now.
type Subscriber struct {
	// Client connects to this server only.
	Client *redis.Client

	watch     *RoleWatch
	sentinels *sentinels // that have named the server
	cluster   redis.UniversalClient
}

// NewSubscriber returns a subscriber at the server for a channel: the one of the URL, the master that the Sentinels name, or the
// master of a cluster that has the channel. log gets a warning if the user lacks the right to ask for the server's state.
func (c *Config) NewSubscriber(ctx context.Context, channel string, log *slog.Logger) (*Subscriber, error) {
	s := &Subscriber{}
	o := c.options
	switch {
	case o.IsClusterMode:
		s.cluster = c.NewClient()
		node, err := NodeFor(ctx, s.cluster, channel)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.Client = node.(*redis.Client)
	case o.MasterName != "":
		s.sentinels = c.newSentinels()
		addr, err := s.sentinels.master(ctx)
		if err != nil {
			s.Close()
			return nil, err
		}
		o.Addrs = []string{addr}
		fallthrough
	default:
		s.Client = redis.NewClient(o.Simple())
		s.Client.AddHook(denialHook{})
	}
	s.watch = c.NewRoleWatch(s.Client, false, log)
	return s, nil
}

// Close closes all connections.
func (s *Subscriber) Close() {
	if s.cluster != nil { // it has the client
		_ = s.cluster.Close()
	} else if s.Client != nil {
		_ = s.Client.Close()
	}
	if s.sentinels != nil {
		s.sentinels.close()
	}
}

// Begin is [RoleWatch.Begin].
func (s *Subscriber) Begin(ctx context.Context) error {
	if s.cluster != nil {
		return s.checkCluster(ctx)
	}
	return s.watch.Begin(ctx)
}

// Check is [RoleWatch.Check]. It also returns an error if the Sentinels name another server, or the cluster of this one
// does not work.
func (s *Subscriber) Check(ctx context.Context) (gap string, err error) {
	if s.cluster != nil { // messages reach all its servers, also replicas
		return "", s.checkCluster(ctx)
	}
	if s.sentinels != nil {
		addr, err := s.sentinels.master(ctx)
		if here := s.Client.Options().Addr; err == nil && addr != here {
			return "", plugin.Unavailable(fmt.Errorf("the Sentinels name another master, %s, and no longer %s", addr, here))
		}
	}
	return s.watch.Check(ctx)
}

// checkCluster returns an error if the server is cut off from most of its cluster. One that only lacks slots publishes everywhere.
func (s *Subscriber) checkCluster(ctx context.Context) error {
	text, err := s.Client.ClusterInfo(ctx).Result()
	if IsReply(err) && !s.watch.denied {
		s.watch.denied = true
		s.watch.Log.Warn("cluster check denied", "error", err)
	}
	if err != nil { // a lost connection shows elsewhere
		return nil
	}
	info := parseInfo(text)
	assigned, _ := strconv.Atoi(info["cluster_slots_assigned"])
	unreached, _ := strconv.Atoi(info["cluster_slots_pfail"])
	if info["cluster_state"] == "ok" || assigned > 0 && 2*unreached <= assigned {
		return nil
	}
	return plugin.Unavailable(fmt.Errorf("the server %s is cut off from its cluster, so nothing new comes: redis-cli CLUSTER INFO and CLUSTER NODES show what it cannot reach", s.Client.Options().Addr))
}
