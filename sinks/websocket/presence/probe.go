package presence

import (
	"context"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Probe returns the findings of `gateway check --live` about the Redis of the registry. Without Redis it returns none.
func (r *Registry) Probe(ctx context.Context) []plugin.Finding {
	if r.share == nil {
		return nil
	}
	client := r.share.conn.NewClient()
	defer client.Close()
	first, ok := redisconn.Probe(ctx, client, r.opts.Redis)
	findings := []plugin.Finding{first}
	if !ok {
		return findings
	}
	key := r.opts.Prefix + "check"
	findings = append(findings, redisconn.ProbeRights(ctx, client, [][]string{
		{"EVALSHA", leaseScript.Hash(), "1", key}, {"EVAL", "return 1", "1", key}, {"TIME"}, {"ZADD", key, "1", "n"}, {"ZREM", key, "n"}, {"ZSCORE", key, "n"},
		{"ZRANGE", key, "0", "-1"}, {"ZREMRANGEBYSCORE", key, "0", "1"}, {"PEXPIRE", key, "1"}, {"HSET", key, "n", "1"}, {"HDEL", key, "n"}, {"HGETALL", key},
		{"XADD", key, "*", "n", "1"}, {"XREAD", "STREAMS", key, "0"},
	})...)
	return append(findings, redisconn.ProbeWritable(ctx, client, key)...)
}
