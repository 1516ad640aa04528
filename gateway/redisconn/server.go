package redisconn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/plugin"
)

// ProbeMaster reports whether the server that has a key is a master. A replica may refuse writes,
// and what is published there does not reach the subscribers at its master.
func ProbeMaster(ctx context.Context, client redis.UniversalClient, key string) plugin.Finding {
	node, err := NodeFor(ctx, client, key)
	if err != nil {
		return unknownFinding("whether the server is a master", err)
	}
	role, err := roleOf(ctx, node)
	switch {
	case err != nil:
		return unknownFinding("whether the server is a master", err)
	case role != "master":
		return plugin.Finding{
			Level: plugin.Problem, Text: "the server is a replica: what is written or published there is refused, or does not reach its master",
			Fix: "name the master in url (redis-cli ROLE shows it), or the Sentinels, which know it: redis-sentinel://HOST:26379?master_name=NAME",
		}
	}
	return plugin.Finding{Text: "the server is a master"}
}

// ProbeReadable reports whether reads at the server are complete: a replica that has lost its
// master gets no new data.
func ProbeReadable(ctx context.Context, client redis.UniversalClient) plugin.Finding {
	role, err := roleOf(ctx, client)
	switch {
	case err != nil:
		return unknownFinding("whether the server is a replica", err)
	case role == "master":
		return plugin.Finding{Text: "the server is a master"}
	}
	text := "the server is a replica: events come later, and no leader can be elected there"
	if link := info(ctx, client)["master_link_status"]; link == "down" {
		return plugin.Finding{Level: plugin.Problem, Text: "the server is a replica that has lost its master: nothing new comes", Fix: "see that the master runs, or name another server in url"}
	}
	return plugin.Finding{Level: plugin.Warning, Text: text, Fix: "name the master in url, where that matters"}
}

// roleOf returns "master" or "replica". HELLO needs no right, but Redis 6.
func roleOf(ctx context.Context, client redis.UniversalClient) (string, error) {
	if _, cluster := client.(*redis.ClusterClient); cluster { // its client sends to masters
		return "master", nil
	}
	if role := roleIn(client.Do(ctx, "HELLO")); role != "" {
		return role, nil
	}
	text, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return "", err
	}
	role := parseInfo(text)["role"]
	if role == "" {
		return "", errors.New("INFO does not show the role")
	}
	return strings.Replace(role, "slave", "replica", 1), nil
}

// roleIn returns the role in the reply to HELLO, or "" where it is not in it.
func roleIn(hello *redis.Cmd) string {
	fields, err := hello.Slice()
	if err != nil {
		return ""
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if role, ok := fields[i+1].(string); ok && fields[i] == "role" {
			return strings.Replace(role, "slave", "replica", 1)
		}
	}
	return ""
}

// CheckMaster returns the error READONLY where hello, a completed HELLO that was sent with published
// messages, shows a replica. A replica accepts messages, but they do not reach its master.
func CheckMaster(hello *redis.Cmd) error {
	if roleIn(hello) == "replica" {
		return ReplyError("READONLY the server is a replica: what is published there does not reach its master")
	}
	return nil
}

// writeScript does nothing, and is refused like a script that writes. Redis 7 checks the flags of a
// script before it runs.
const writeScript = "#!lua\nreturn 1"

// refusals are the error prefixes of a server that accepts no writes at present, with their fixes.
var refusals = map[string]string{
	"READONLY":    "name the master in url",
	"OOM":         "CONFIG SET maxmemory to more, and in redis.conf, or remove keys; redis-cli --bigkeys shows the largest",
	"MISCONF":     "see the server's log why it cannot write to its disk, and mend that",
	"NOREPLICAS":  "start the replicas, or lower min-replicas-to-write",
	"MASTERDOWN":  "see that the master runs, or name another server in url",
	"LOADING":     "wait until the server has loaded its data",
	"CLUSTERDOWN": "redis-cli CLUSTER INFO shows what the cluster lacks",
}

// ProbeWritable reports whether the server that has a key accepts writes: it may be a replica, full,
// or unable to write to its disk.
func ProbeWritable(ctx context.Context, client redis.UniversalClient, key string) []plugin.Finding {
	first := ProbeMaster(ctx, client, key)
	if first.Level == plugin.Problem {
		return []plugin.Finding{first}
	}
	findings := []plugin.Finding{first}
	node, err := NodeFor(ctx, client, key)
	if err != nil {
		return findings // they have the error
	}
	err = node.Eval(ctx, writeScript, nil).Err()
	for prefix, fix := range refusals {
		if redis.HasErrorPrefix(err, prefix) {
			return append(findings, plugin.Finding{Level: plugin.Problem, Text: "the server takes no writes: " + err.Error(), Fix: fix})
		}
	}
	state := info(ctx, node)
	switch full, known := fullness(state); {
	case err == nil && full > 0.9:
		return append(findings, plugin.Finding{
			Level: plugin.Warning, Text: fmt.Sprintf("the server has used %.0f %% of maxmemory; when that is full, it takes no writes", full*100), Fix: refusals["OOM"],
		})
	case err == nil:
		return append(findings, plugin.Finding{Text: "the server takes writes"})
	case !known:
		return append(findings, unknownFinding("whether the server is full, or takes no writes for another reason", err))
	case full >= 1:
		return append(findings, plugin.Finding{Level: plugin.Problem, Text: "the server takes no writes: it has used all of maxmemory", Fix: refusals["OOM"]})
	case state["aof_last_write_status"] == "err" || state["rdb_last_bgsave_status"] == "err":
		return append(findings, plugin.Finding{Level: plugin.Warning, Text: "the server cannot write to its disk, and may take no writes", Fix: refusals["MISCONF"]})
	}
	return append(findings, plugin.Finding{Text: "the server is a master, and not full"})
}

// fullness returns the used part of maxmemory, or 0 where there is no limit, or the server evicts
// keys. known is false where INFO does not show it.
func fullness(state map[string]string) (part float64, known bool) {
	limit, err := strconv.ParseFloat(state["maxmemory"], 64)
	used, uerr := strconv.ParseFloat(state["used_memory"], 64)
	if err != nil || uerr != nil {
		return 0, false
	}
	if limit == 0 || state["maxmemory_policy"] != "noeviction" {
		return 0, true
	}
	uncounted, _ := strconv.ParseFloat(state["mem_not_counted_for_evict"], 64) // older servers do not have it
	return (used - uncounted) / limit, true
}

// info returns the fields of INFO, or none where the user lacks the right.
func info(ctx context.Context, client redis.UniversalClient) map[string]string {
	return parseInfo(client.Info(ctx).Val())
}

func parseInfo(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// unknownFinding returns the warning about something that could not be checked.
func unknownFinding(what string, err error) plugin.Finding {
	f := plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell %s: %v", what, err), Fix: "look at the server yourself: redis-cli INFO"}
	if command, denied := deniedCommand(err); denied {
		f.Fix = fmt.Sprintf("ACL SETUSER USER +%s, as the server's administrator", command)
	}
	return f
}

// deniedCommand returns the denied command that an error names.
func deniedCommand(err error) (command string, denied bool) {
	if !redis.HasErrorPrefix(err, "NOPERM") {
		return "", false
	}
	_, rest, _ := strings.Cut(err.Error(), "run the '")
	command, _, denied = strings.Cut(rest, "' command")
	return command, denied
}
