package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// redisStore stores the state of a component in one hash: the values under their keys, and the highest term under termField, which is
// no valid key.
type redisStore struct {
	url    options.URL
	name   string
	client redis.UniversalClient // connects with its first command
}

const termField = ".term"

// putScript stores a value, and refuses an earlier leader.
var putScript = redis.NewScript(`
local term = tonumber(ARGV[3])
if term > 0 then
	local known = tonumber(redis.call('HGET', KEYS[1], '` + termField + `') or '0')
	if known > term then
		return known
	end
	redis.call('HSET', KEYS[1], '` + termField + `', ARGV[3])
end
if ARGV[2] == '' then
	redis.call('HDEL', KEYS[1], ARGV[1])
else
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return 0
`)

func newRedis(o Options) (Store, error) {
	c, err := redisconn.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	return &redisStore{o.URL, o.Name, c.NewClient()}, nil
}

func (s *redisStore) key(scope Scope) string { return "gateway_state:" + s.name + ":" + string(scope) }

func (s *redisStore) get(ctx context.Context, scope Scope, key string) ([]byte, error) {
	value, err := s.client.HGet(ctx, s.key(scope), key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return value, redisconn.Unavailable(err, err, redisconn.Command{FixedKeys: true})
}

func (s *redisStore) put(ctx context.Context, scope Scope, key string, value []byte, term int64) error {
	known, err := putScript.Run(ctx, s.client, []string{s.key(scope)}, key, value, term).Int64()
	if err == nil && known > 0 {
		return fenced(term, known)
	}
	return redisconn.Unavailable(err, err, redisconn.Command{FixedKeys: true})
}

// Prepare is part of [Store].
func (s *redisStore) Prepare(context.Context) error { return nil }

// Probe is part of [Store].
func (s *redisStore) Probe(ctx context.Context) []plugin.Finding {
	connected, ok := redisconn.Probe(ctx, s.client, s.url)
	findings := []plugin.Finding{connected}
	if key := s.key("probe"); ok {
		findings = append(findings, redisconn.ProbeMaster(ctx, s.client, key))
		findings = append(findings, redisconn.ProbeRights(ctx, s.client, [][]string{{"HGET", key, "k"}, {"HSET", key, "k", "v"}, {"HDEL", key, "k"}, {"EVALSHA", "0", "1", key}, {"EVAL", "return 0", "1", key}})...)
		findings = append(findings, redisconn.ProbeDurability(ctx, s.client)...)
	}
	for i := range findings {
		findings[i].Text = fmt.Sprintf("the state of components: %s", findings[i].Text)
	}
	return findings
}

// Close is part of [Store].
func (s *redisStore) Close() { _ = s.client.Close() }
