package redisstream

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
	"eventgateway/gateway/redisconn"
)

// Probe is part of [plugin.Prober].
func (s *source) Probe(ctx context.Context) []plugin.Finding {
	client := s.Config.NewClient()
	defer client.Close()
	firstFinding, ok := redisconn.Probe(ctx, client, s.opts.URL)
	findings := []plugin.Finding{firstFinding}
	if !ok {
		return findings
	}
	o := s.opts
	kind, err := client.Type(ctx, o.Stream).Result()
	switch {
	case err != nil:
		return append(findings, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("cannot look at %s: %v", o.Stream, err), Fix: "ACL SETUSER USER ~STREAM +type, as the server's administrator"})
	case kind == "none":
		findings = append(findings, plugin.Finding{Text: fmt.Sprintf("there is no stream %s yet; it is created with its first entry", o.Stream)})
	case kind != "stream":
		return append(findings, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("the key %s is a %s", o.Stream, kind), Fix: "use another stream, or remove the key: redis-cli DEL " + o.Stream})
	default:
		info, err := client.XInfoStream(ctx, o.Stream).Result()
		if err != nil {
			findings = append(findings, plugin.Finding{Level: plugin.Problem, Text: fmt.Sprintf("cannot look at %s: %v", o.Stream, err), Fix: "ACL SETUSER USER ~STREAM +xinfo|stream, as the server's administrator"})
			break
		}
		findings = append(findings, plugin.Finding{Text: fmt.Sprintf("the stream %s has %d entries", o.Stream, info.Length)})
	}
	key := o.Stream // of the position
	if o.Name != "" {
		key = redisconn.SameSlotKey(o.Stream, ":position:"+o.Name)
	}
	may := [][]string{{"XREAD", "STREAMS", o.Stream, "0"}, {"XRANGE", o.Stream, "0", "0"}, {"XINFO", "STREAM", o.Stream}, {"EVALSHA", pollScript.Hash(), "2", o.Stream, key}}
	if o.Name != "" {
		may = append(may, []string{"HINCRBY", key, "token", "1"}, []string{"HSET", key, "id", "0"}, []string{"HGET", key, "id"}, []string{"HMGET", key, "id"})
	}
	if o.Group != "" {
		key = redisconn.SameSlotKey(o.Stream, ":group:"+o.Group)
		may = [][]string{
			{"HINCRBY", key, "x", "1"}, {"HSET", key, "x", "1"}, {"HGET", key, "x"}, {"EXISTS", key}, {"XINFO", "CONSUMERS", o.Stream, o.Group}, {"XINFO", "STREAM", o.Stream}, {"XPENDING", o.Stream, o.Group},
			{"XGROUP", "CREATE", o.Stream, o.Group, "0"}, {"EVALSHA", pollGroupScript.Hash(), "3", o.Stream, key, key + ":read"}, {"XREAD", "STREAMS", o.Stream, "0"}, {"XRANGE", o.Stream, "0", "0"},
			{"XREADGROUP", "GROUP", o.Group, o.Consumer, "STREAMS", o.Stream, ">"}, {"XACK", o.Stream, o.Group, "0-1"}, {"XCLAIM", o.Stream, o.Group, o.Consumer, "1", "0-1"},
		}
	}
	may = append(may, []string{"EVAL", "return 1", "1", o.Stream})
	findings = append(findings, redisconn.ProbeRights(ctx, client, may)...)
	if o.Name != "" || o.Group != "" { // the position is stored there
		findings = append(findings, redisconn.ProbeWritable(ctx, client, o.Stream)...)
	} else {
		findings = append(findings, redisconn.ProbeReadable(ctx, client))
	}
	if o.Group != "" && kind == "stream" {
		findings = append(findings, s.probeGroup(ctx, client)...)
	}
	if o.Name != "" && kind == "stream" {
		findings = append(findings, s.probeName(ctx, client, key)...)
	}
	if o.Group == "" && o.Name == "" && o.From != "start" {
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: "no position is stored: entries that are appended while the gateway is stopped are not read", Fix: "set name or group, if each entry matters"})
	}
	return append(findings, redisconn.ProbeDurability(ctx, client)...)
}

// probeGroup returns how many entries the group has not read, and not acked.
func (s *source) probeGroup(ctx context.Context, client redis.UniversalClient) []plugin.Finding {
	groups, err := client.XInfoGroups(ctx, s.opts.Stream).Result()
	if err != nil {
		return []plugin.Finding{{Level: plugin.Warning, Text: fmt.Sprintf("cannot look at the groups of %s: %v", s.opts.Stream, err), Fix: "ACL SETUSER USER +xinfo ~STREAM, as the server's administrator; only this check needs it"}}
	}
	for _, g := range groups {
		if g.Name == s.opts.Group {
			return []plugin.Finding{{Text: fmt.Sprintf("the group %s: %d consumers, %d entries not read, %d not acked", g.Name, g.Consumers, g.Lag, g.Pending)}}
		}
	}
	return []plugin.Finding{{Text: fmt.Sprintf("there is no group %s yet; the gateway creates it", s.opts.Group)}}
}

// probeName returns a warning where an entry was read under the name, and is not settled after a
// minute.
func (s *source) probeName(ctx context.Context, client redis.UniversalClient, key string) []plugin.Finding {
	stored := client.HMGet(ctx, key, "id", "settled").Val()
	if len(stored) != 2 || stored[0] == nil || stored[1] == nil || stored[1] == "" { // no entry above it is settled
		return nil
	}
	next := client.XRangeN(ctx, s.opts.Stream, fmt.Sprint("(", stored[0]), "+", 1).Val()
	if len(next) == 0 {
		return nil
	}
	age := time.Since(entry{id: next[0].ID}.appendedAt()).Round(time.Second)
	if age < time.Minute {
		return nil
	}
	return []plugin.Finding{{
		Level: plugin.Warning, Text: fmt.Sprintf("the entry %s is %v old, and is not delivered, while later ones are: it blocks later events of its key, and at in_flight (%d) the source stalls", next[0].ID, age, s.opts.InFlight),
		Fix: "look for the receiver's error in the gateway's log, and fix its cause; or give the sink retry.attempts and a dead_letter",
	}}
}
