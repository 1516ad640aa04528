package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// sentinels asks Sentinels for the master.
type sentinels struct {
	name    string
	clients []*redis.SentinelClient // the one that has answered last is the first
}

func (c *Config) newSentinels() *sentinels {
	s := &sentinels{name: c.options.MasterName}
	o := c.options.Failover()
	for _, addr := range o.SentinelAddrs {
		client := redis.NewSentinelClient(&redis.Options{
			Addr: addr, Username: o.SentinelUsername, Password: o.SentinelPassword, TLSConfig: o.TLSConfig, Dialer: o.Dialer, OnConnect: o.OnConnect,
			Protocol: o.Protocol, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, PoolSize: 1, PipelinePoolSize: -1,
			DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, MaintNotificationsConfig: c.options.MaintNotificationsConfig,
		})
		s.clients = append(s.clients, client)
	}
	return s
}

// master returns the address of the master that a Sentinel names. A Sentinel that fails is asked last from then on.
func (s *sentinels) master(ctx context.Context) (addr string, err error) {
	var failures []error
	for range s.clients {
		reply, err := s.clients[0].GetMasterAddrByName(ctx, s.name).Result()
		if err == nil && len(reply) == 2 {
			return net.JoinHostPort(reply[0], reply[1]), nil
		}
		failures = append(failures, err)
		s.clients = append(s.clients[1:], s.clients[0])
	}
	return "", explainSentinel(errors.Join(failures...), s.name)
}

func (s *sentinels) close() {
	for _, c := range s.clients {
		_ = c.Close()
	}
}

// sentinelsFailed is a part of the error of go-redis where no Sentinel has named the master.
const sentinelsFailed = "all sentinels specified in configuration are unreachable"

// sentinelError is the failure of all Sentinels.
type sentinelError struct {
	text, hint string
	err        error
}

func (e *sentinelError) Error() string { return e.text + ": " + e.hint }
func (e *sentinelError) Unwrap() error { return e.err }

// explainSentinel returns the error for err, the failure of all Sentinels, with what to do. It is marked by [plugin.Unavailable].
func explainSentinel(err error, master string) error {
	text := strings.TrimPrefix(err.Error(), "redis: "+sentinelsFailed+": ")
	lines := strings.Split(text, "\n")
	hint := "see that the Sentinels run, and that url has their addresses"
	switch {
	case isDenial(text):
		hint = "give their user, sentinel_username in url, the rights that gateway plugins NAME --acl prints for Sentinels"
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"):
		hint = "write the user and password of the Sentinels into url: &sentinel_username=USER&sentinel_password=PASSWORD"
	case errors.Is(err, redis.Nil):
		lines = []string{"they know no master of this name"}
		hint = "write its name as in sentinel.conf: master_name=NAME"
	}
	seen := map[string]bool{}
	var each []string
	for _, line := range lines {
		if !seen[line] {
			seen[line] = true
			each = append(each, line)
		}
	}
	return plugin.Unavailable(&sentinelError{fmt.Sprintf("no Sentinel names the master %s: %s", master, strings.Join(each, "; ")), hint, err})
}

// sentinelHook explains the failure of all Sentinels.
type sentinelHook struct{ master string }

// DialHook is part of [redis.Hook].
func (h sentinelHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil && strings.Contains(err.Error(), sentinelsFailed) {
			err = explainSentinel(err, h.master)
		}
		return conn, err
	}
}

// ProcessHook is part of [redis.Hook].
func (sentinelHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook is part of [redis.Hook].
func (sentinelHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
