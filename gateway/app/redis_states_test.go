package app

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

const everyRedisPlugin = `
http: {listen: "127.0.0.1:${PORT}"}
sources:
  made: {type: generate, rate: 20}
  fed: {type: redis-sub, url: "${OTHER_URL}", channels: [feed]}
  subscribed: {type: redis-sub, url: "${REDIS_URL}", channels: [c], ping: 1s}
  unkept: {type: redis-stream, url: "${REDIS_URL}", stream: other}
  kept: {type: redis-stream, url: "${REDIS_URL}", stream: other, name: me}
  shared: {type: redis-stream, url: "${REDIS_URL}", stream: other, group: g, consumer: me}
transforms:
  once: {type: dedupe, by: number, redis: "${REDIS_URL}"}
sinks:
  feed: {type: redis-pub, url: "${OTHER_URL}", channel: feed}
  numbered: {type: redis-pub, url: "${REDIS_URL}", channel: c, sequence: {key: count}, retry: {max: 100ms}}
  plain: {type: redis-pub, url: "${REDIS_URL}", channel: c, retry: {max: 100ms}}
  appended: {type: redis-stream, url: "${REDIS_URL}", stream: numbers, retry: {max: 100ms}}
  out: {type: file, path: "${DIR}/out", sync: never}
routes:
  write: {from: [made], to: [feed, numbered, plain, appended]}
  deduped: {from: [fed], through: [once], to: [out]}
  read: {from: [subscribed, unkept, kept, shared], to: [out]}
`

// failing returns the last errors of the components that fail at present.
func (r *running) failing() map[string]string {
	errs := map[string]string{}
	status := r.router.Status()
	for _, s := range status.Sources {
		if s.Failing {
			errs["sources."+s.Name] = s.LastError
		}
	}
	for _, s := range status.Sinks {
		if s.Failing {
			errs["sinks."+s.Name] = s.LastError
		}
	}
	for _, s := range status.Routes {
		if s.Failing {
			errs["routes."+s.Name] = s.LastError
		}
	}
	return errs
}

// TestRedisStates proves what each Redis plugin makes of a server that is full, a replica, or a replica that has lost its
// master: check --live finds what fails, the status shows it, and all work again afterwards.
func TestRedisStates(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	_, masterPort := testenv.StartRedis(t, "--repl-diskless-sync-delay", "0")
	at, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	admin, ctx := redis.NewClient(at), testenv.Context(t)
	defer admin.Close()
	do := func(args ...any) {
		t.Helper()
		if err := admin.Do(ctx, args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"REDIS_URL": server.URL(), "OTHER_URL": testenv.Redis(t).URL(), "DIR": t.TempDir()}
	file := writeConfig(t, everyRedisPlugin)
	r := startGateway(t, file, env)
	const full, replica, alone = "OOM command not allowed", "replica", "has lost its master"
	for _, c := range []struct {
		name, find, fail string
		begin, end       func()
		found, fails     []string // WRONG in check --live, and failing while it runs
		warned           []string // in check --live
	}{
		{
			"full", full, full, func() { do("CONFIG", "SET", "maxmemory", "1") }, func() { do("CONFIG", "SET", "maxmemory", "0") },
			[]string{"kept", "shared", "once", "numbered", "appended"},
			[]string{"routes.deduped", "sinks.numbered", "sinks.appended"}, nil, // the sources store nothing while nothing comes
		}, {
			"a replica", replica, "", func() {
				do("REPLICAOF", "127.0.0.1", masterPort)
				testenv.Eventually(t, testenv.Wait, "the replica to follow", func() bool {
					role, err := admin.Do(ctx, "ROLE").Slice()
					return err == nil && len(role) > 3 && role[3] == "connected"
				})
			}, func() { do("REPLICAOF", "NO", "ONE") },
			[]string{"kept", "shared", "once", "numbered", "plain", "appended"},
			[]string{"sources.kept", "sources.shared", "routes.deduped", "sinks.numbered", "sinks.plain", "sinks.appended"}, []string{"subscribed", "unkept"},
		}, {
			"a replica alone", replica, "", func() { do("REPLICAOF", "127.0.0.1", testenv.FreePort(t)) }, func() { do("REPLICAOF", "NO", "ONE") },
			[]string{"subscribed", "unkept", "kept", "shared", "once", "numbered", "plain", "appended"},
			[]string{"sources.subscribed", "sources.unkept", "sources.kept", "sources.shared", "routes.deduped", "sinks.numbered", "sinks.plain", "sinks.appended"}, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Eventually(t, testenv.Wait, "nothing fails", func() bool { return len(r.failing()) == 0 }, func() string { return fmt.Sprint(r.failing()) })
			c.begin()
			testenv.Eventually(t, testenv.Wait, "all that need it fail", func() bool {
				is := slices.Sorted(maps.Keys(r.failing()))
				return slices.Equal(is, slices.Sorted(slices.Values(c.fails)))
			}, func() string { return fmt.Sprint(r.failing()) })
			for name, text := range r.failing() {
				if !strings.Contains(text, c.fail) && !strings.Contains(text, "READONLY") && !strings.Contains(text, alone) {
					t.Errorf("%s: %s", name, text)
				}
			}
			env := maps.Clone(env)
			env["PORT"] = strconv.Itoa(testenv.FreePort(t))
			out, err := commandLine(t, env, "check", "--live", "-c", file)
			if err == nil {
				t.Error("check --live finds nothing")
			}
			for level, names := range map[string][]string{"WRONG": c.found, "warning": c.warned} {
				for _, name := range []string{"subscribed", "unkept", "kept", "shared", "once", "numbered", "plain", "appended"} {
					is := false
					for line := range strings.Lines(out) {
						is = is || strings.HasPrefix(line, level) && strings.Contains(line, "."+name+": ") && strings.Contains(line, c.find)
					}
					if is != slices.Contains(names, name) {
						t.Errorf("check --live: %s: %s is %t\n%s", name, level, is, out)
					}
				}
			}
			c.end()
		})
	}
	testenv.Eventually(t, testenv.Wait, "all work again", func() bool { return len(r.failing()) == 0 }, func() string { return fmt.Sprint(r.failing()) })
}
