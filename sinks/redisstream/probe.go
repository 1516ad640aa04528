package redisstream

import (
	"context"
	"fmt"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Probe is part of [plugin.Prober].
func (s *sink) Probe(ctx context.Context) []plugin.Finding {
	first, ok := redisconn.Probe(ctx, s.client, s.opts.URL)
	findings := []plugin.Finding{first}
	stream, literal := s.opts.Stream.Literal()
	if !ok {
		return findings
	}
	if !literal {
		findings = append(findings, redisconn.ProbeRightsByExample(ctx, s.client, "the streams "+s.opts.Stream.String(), [][]string{{"XADD", "eventgateway:check", "*", "data", "x"}})...)
		return append(append(findings, redisconn.ProbeWritable(ctx, s.client, "eventgateway:check")...), redisconn.ProbeDurability(ctx, s.client)...)
	}
	findings = append(findings, redisconn.ProbeWritable(ctx, s.client, stream)...)
	writer := redisconn.SameSlotKey(stream, ":writer:x")
	may := [][]string{
		{"SET", writer, "1", "EX", "3600"}, {"GET", writer}, {"XADD", stream, "*", "data", "x"}, {"XTRIM", stream, "MAXLEN", "1"},
		{"EVALSHA", appendBatch.Hash(), "3", stream, writer, redisconn.SameSlotKey(stream, ":term:x")},
		{"EVAL", "return 1", "1", stream},
	}
	findings = append(findings, redisconn.ProbeRights(ctx, s.client, may)...)
	switch kind, err := s.client.Type(ctx, stream).Result(); {
	case err != nil:
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell whether the key %s is a stream: %v", stream, err), Fix: "ACL SETUSER USER +type ~KEY, as the server's administrator; only this check needs it"})
	case kind != "none" && kind != "stream":
		findings = append(findings, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("the key %s is a %s", stream, kind), Fix: "use another stream, or remove the key: redis-cli DEL " + stream})
	}
	return append(findings, redisconn.ProbeDurability(ctx, s.client)...)
}
