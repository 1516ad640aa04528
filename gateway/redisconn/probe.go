package redisconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
)

// Probe connects, and reports whether the server can be reached. The probe of every Redis plugin
// begins with it.
func Probe(ctx context.Context, client redis.UniversalClient, u options.URL) (plugin.Finding, bool) {
	begin := time.Now()
	if err := client.Ping(ctx).Err(); err != nil {
		f := plugin.Finding{
			Level: plugin.Problem, Text: fmt.Sprintf("cannot connect to %s: %v", u, err),
			Fix: `redis-cli -u "$REDIS_URL" ping shows the same; see that the server runs, and that user and password are right`,
		}
		var sentinels *sentinelError
		if errors.As(err, &sentinels) {
			f.Text, f.Fix = fmt.Sprintf("cannot connect to %s: %s", u, sentinels.text), sentinels.hint
		} else if command, denied := deniedCommand(err); denied {
			f.Fix = fmt.Sprintf("ACL SETUSER USER +%s, as the server's administrator; gateway plugins NAME --acl prints all that a plugin needs", command)
		}
		return f, false
	}
	return plugin.Finding{Text: fmt.Sprintf("connected to %s, round trip %v", u, time.Since(begin).Round(10*time.Microsecond))}, true
}

// ProbeRights returns a finding for each command: whether client's user may run it. It uses ACL
// DRYRUN, which runs nothing. Where that fails, on servers before Redis 7 or for lack of a right,
// it returns one warning for all commands.
func ProbeRights(ctx context.Context, client redis.UniversalClient, commands [][]string) (findings []plugin.Finding) {
	user, err := client.Do(ctx, "ACL", "WHOAMI").Text()
	if err != nil {
		return []plugin.Finding{rightsUnknown(commands, err)}
	}
	for _, command := range commands {
		f, err := probeRight(ctx, client, user, command)
		if err != nil {
			return append(findings, rightsUnknown(commands, err))
		}
		findings = append(findings, f)
	}
	return findings
}

// ProbeRightsByExample is [ProbeRights] for keys or channels that depend on the event; what
// describes them. The commands have an example of such a name. A denial of the example is a
// warning, since the actual names may be allowed.
func ProbeRightsByExample(ctx context.Context, client redis.UniversalClient, what string, commands [][]string) []plugin.Finding {
	findings := ProbeRights(ctx, client, commands)
	for i := range findings {
		if f := &findings[i]; f.Level == plugin.Problem {
			*f = plugin.Finding{Level: plugin.Warning, Text: "cannot tell for " + what + "; of an example: " + f.Text, Fix: f.Fix}
		}
	}
	return findings
}

func probeRight(ctx context.Context, client redis.UniversalClient, user string, command []string) (plugin.Finding, error) {
	args := []any{"ACL", "DRYRUN", user}
	for _, a := range command {
		args = append(args, a)
	}
	reply, err := client.Do(ctx, args...).Text()
	if err != nil {
		return plugin.Finding{}, err
	}
	text := fmt.Sprintf("the user %s may %s", user, strings.Join(command[:min(len(command), 2)], " "))
	if command[0] == "EVAL" {
		text = fmt.Sprintf("the user %s may EVAL", user)
	}
	if reply == "OK" {
		return plugin.Finding{Text: text}, nil
	}
	return plugin.Finding{Level: plugin.Problem, Text: strings.Replace(text, " may ", " may not ", 1) + ": " + reply, Fix: fmt.Sprintf("ACL SETUSER %s +%s &CHANNEL ~KEY, as the server's administrator", user, strings.ToLower(command[0]))}, nil
}

// rightsUnknown returns the warning about commands for which the server does not show whether the
// user may run them.
func rightsUnknown(commands [][]string, err error) plugin.Finding {
	var names []string
	for _, c := range commands {
		if !slices.Contains(names, c[0]) {
			names = append(names, c[0])
		}
	}
	f := unknownFinding("whether the user may "+strings.Join(names, ", "), err)
	switch command, denied := deniedCommand(err); {
	case !denied:
		f.Fix = "this needs Redis 7; ACL GETUSER USER shows what the user may, or try it"
	case strings.HasPrefix(command, "acl"):
		f.Fix = "ACL SETUSER USER +acl|whoami +acl|dryrun, as the server's administrator; only this check needs it"
	}
	return f
}

// ProbeDurability returns findings about what a crash of the server loses. It returns a warning
// where the server does not show its configuration, as hosted servers.
func ProbeDurability(ctx context.Context, client redis.UniversalClient) (findings []plugin.Finding) {
	warn := func(text, fix string) {
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: text, Fix: fix})
	}
	setting := func(name string) string { return client.ConfigGet(ctx, name).Val()[name] }
	file, err := client.ConfigGet(ctx, "appendonly").Result()
	if err != nil {
		return []plugin.Finding{{
			Level: plugin.Warning, Text: fmt.Sprintf("cannot tell what a crash of the server costs: %v", err),
			Fix: "ACL SETUSER USER +config|get, as the server's administrator; or see what a provider says of its append-only file",
		}}
	}
	switch on, sync := file["appendonly"], setting("appendfsync"); {
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
