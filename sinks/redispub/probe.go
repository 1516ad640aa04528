package redispub

import (
	"context"
	"fmt"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// probeGaps reports whether gaps can be published. Events do not depend on it.
func (s *sink) probeGaps(ctx context.Context) []plugin.Finding {
	channel, _ := s.gapChannel()
	findings := redisconn.ProbeRights(ctx, s.client, [][]string{{"PUBLISH", channel, "x"}})
	for i, f := range findings {
		if f.Level == plugin.Problem {
			findings[i].Level = plugin.Warning
			findings[i].Text += ". Gaps are not forwarded to subscribers"
			findings[i].Fix = fmt.Sprintf("ACL SETUSER USER &%s, as the server's administrator", channel)
		}
	}
	return findings
}

// Probe is part of [plugin.Prober].
func (s *sink) Probe(ctx context.Context) []plugin.Finding {
	first, ok := redisconn.Probe(ctx, s.client, s.opts.URL)
	findings := []plugin.Finding{first}
	if !ok {
		return findings
	}
	if channel, literal := s.opts.Channel.Literal(); literal {
		findings = append(findings, redisconn.ProbeRights(ctx, s.client, [][]string{{"PUBLISH", channel, "x"}})...)
	} else {
		findings = append(findings, redisconn.ProbeRightsByExample(ctx, s.client, "the channels "+s.opts.Channel.String(), [][]string{{"PUBLISH", "eventgateway:check", "x"}})...)
	}
	findings = append(findings, s.probeGaps(ctx)...)
	key := s.opts.Sequence.Key
	if key == "" {
		return append(findings, redisconn.ProbeMaster(ctx, s.client, s.opts.Channel.String()))
	}
	findings = append(findings, redisconn.ProbeWritable(ctx, s.client, key)...)
	term := redisconn.SameSlotKey(key, ":term:x")
	findings = append(findings, redisconn.ProbeRights(ctx, s.client, [][]string{{"INCRBY", key, "1"}, {"EVALSHA", publish.Hash(), "2", key, term}, {"EVAL", "return 1", "2", key, term}})...)
	findings = append(findings, redisconn.ProbeRightsByExample(ctx, s.client, "the terms of leaders", [][]string{{"GET", term}, {"SET", term, "1"}})...)
	switch kind, err := s.client.Type(ctx, key).Result(); {
	case err != nil:
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell whether the key %s counts messages: %v", key, err), Fix: "ACL SETUSER USER +type ~KEY, as the server's administrator; only this check needs it"})
	case kind != "none" && kind != "string":
		findings = append(findings, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("the key %s, which counts messages, is a %s", key, kind), Fix: "use another sequence.key, or remove it: redis-cli DEL " + key})
	}
	return findings
}
