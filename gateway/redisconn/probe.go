package redisconn

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Probe connects, and says how that went. Every Redis plugin begins its own
// Probe with it.
func Probe(ctx context.Context, client redis.UniversalClient, u options.URL) (plugin.Finding, bool) {
	begin := time.Now()
	if err := client.Ping(ctx).Err(); err != nil {
		return plugin.Finding{
			Level: plugin.Wrong, Text: fmt.Sprintf("cannot connect to %s: %v", u, err),
			Fix: `redis-cli -u "$REDIS_URL" ping shows the same; see that the server runs, and that user and password are right`,
		}, false
	}
	return plugin.Finding{Text: fmt.Sprintf("connected to %s, round trip %v", u, time.Since(begin).Round(10*time.Microsecond))}, true
}

// May says whether the user that client is may run a command, by ACL DRYRUN, which
// runs nothing. Servers before Redis 7 cannot tell; then it is silent.
func May(ctx context.Context, client redis.UniversalClient, command ...string) (plugin.Finding, bool) {
	user, err := client.Do(ctx, "ACL", "WHOAMI").Text()
	if err != nil {
		return plugin.Finding{}, false
	}
	args := []any{"ACL", "DRYRUN", user}
	for _, a := range command {
		args = append(args, a)
	}
	answer, err := client.Do(ctx, args...).Text()
	if err != nil {
		return plugin.Finding{}, false
	}
	text := fmt.Sprintf("the user %s may %s", user, strings.Join(command[:min(len(command), 2)], " "))
	if answer == "OK" {
		return plugin.Finding{Text: text}, true
	}
	return plugin.Finding{Level: plugin.Wrong, Text: strings.Replace(text, " may ", " may not ", 1) + ": " + answer, Fix: fmt.Sprintf("ACL SETUSER %s +%s &CHANNEL ~KEY, as the server's administrator", user, strings.ToLower(command[0]))}, true
}

// MayAll says for each command what [May] does, where the server can tell.
func MayAll(ctx context.Context, client redis.UniversalClient, commands [][]string) (findings []plugin.Finding) {
	for _, command := range commands {
		if f, known := May(ctx, client, command...); known {
			findings = append(findings, f)
		}
	}
	return findings
}

// Durability says what a crash of the server costs. Hosted servers do not show it; then
// it is silent.
func Durability(ctx context.Context, client redis.UniversalClient) (findings []plugin.Finding) {
	warn := func(text, fix string) {
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: text, Fix: fix})
	}
	setting := func(name string) string { return client.ConfigGet(ctx, name).Val()[name] }
	switch on, sync := setting("appendonly"), setting("appendfsync"); {
	case on == "no":
		warn("the server keeps no append-only file: a crash loses what it has taken", "CONFIG SET appendonly yes and CONFIG SET appendfsync always, and both in redis.conf")
	case on == "yes" && sync != "always":
		warn(fmt.Sprintf("the server writes its append-only file with appendfsync %s: a crash loses up to two seconds of what it has taken", sync), "CONFIG SET appendfsync always, and in redis.conf, where that is too much")
	case on == "yes":
		findings = append(findings, plugin.Finding{Text: "the server stores what it takes before it answers"})
	}
	if policy := setting("maxmemory-policy"); policy != "" && policy != "noeviction" && setting("maxmemory") != "0" {
		warn(fmt.Sprintf("a full server evicts keys (maxmemory-policy %s)", policy), "CONFIG SET maxmemory-policy noeviction, and in redis.conf")
	}
	return findings
}
