package dedupe

import (
	"context"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Probe is part of [plugin.Prober]. It returns no findings without Redis.
func (t *transform) Probe(ctx context.Context) []plugin.Finding {
	if t.shared == nil {
		return nil
	}
	client := t.shared.conn.NewClient()
	defer client.Close()
	first, ok := redisconn.Probe(ctx, client, t.shared.url)
	findings := []plugin.Finding{first}
	if !ok {
		return findings
	}
	key := t.shared.prefix + "check"
	findings = append(findings, redisconn.ProbeRights(ctx, client, [][]string{{"SET", key, "1", "NX", "PX", "1000"}})...)
	return append(findings, redisconn.ProbeWritable(ctx, client, key)...)
}
