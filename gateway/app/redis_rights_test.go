package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// The components of both have users of their own, with the rights that plugins --acl prints. The server
// accepts TLS clients with a certificate of its private authority only.
const (
	limitedReaders = `
http: {listen: "127.0.0.1:${PORT}"}
x-tls: &tls {ca: "${CA}", cert: "${CERT}", key: "${KEY}"}
sources:
  all: {type: redis-stream, url: "${AT}&user=all", tls: *tls, stream: numbers, name: me, leader: reader}
  shared: {type: redis-stream, url: "${AT}&user=shared", tls: *tls, stream: numbers, group: g, consumer: me}
  plain: {type: redis-stream, url: "${AT}&user=plain", tls: *tls, stream: numbers, from: start}
  heard: {type: redis-sub, url: "${AT}&user=heard", tls: *tls, channels: [numbers], leader: reader}
  matched: {type: redis-sub, url: "${AT}&user=matched", tls: *tls, patterns: ["num*s"]}
transforms:
  once: {type: dedupe, by: number, redis: "${AT}&user=once", tls: *tls}
sinks:
  all: {type: file, path: "${DIR}/all", sync: never}
  shared: {type: file, path: "${DIR}/shared", sync: never}
  plain: {type: file, path: "${DIR}/plain", sync: never}
  heard: {type: file, path: "${DIR}/heard", sync: never}
  matched: {type: file, path: "${DIR}/matched", sync: never}
routes:
  all: {from: [all], to: [all]}
  shared: {from: [shared], to: [shared]}
  plain: {from: [plain], to: [plain]}
  heard: {from: [heard], through: [once], to: [heard]}
  matched: {from: [matched], to: [matched]}
`
	limitedWriters = `
http: {listen: "127.0.0.1:${PORT}"}
x-tls: &tls {ca: "${CA}", cert: "${CERT}", key: "${KEY}"}
sources:
  made: {type: generate, rate: 0, count: 500}
sinks:
  stream: {type: redis-stream, url: "${AT}&user=stream", tls: *tls, stream: numbers, maxlen: 100000}
  bus: {type: redis-pub, url: "${AT}&user=bus", tls: *tls, channel: numbers, sequence: {key: count}}
  plain: {type: redis-pub, url: "${AT}&user=plainbus", tls: *tls, channel: "numbers.{{ number % 2 }}"}
routes:
  all: {from: [made], to: [stream, bus, plain]}
`
)

// rightsOf returns the rules that plugins --acl prints of a plugin of a kind for some of its uses.
func rightsOf(t *testing.T, kind, name string, uses ...string) []any {
	t.Helper()
	names := strings.NewReplacer("STREAM", "numbers", "CHANNEL", "numbers*", "KEY", "count", "PREFIX", "gateway:dedupe:", "NAME", "me", "GROUP", "g", "LEADER", "reader", "PATTERN", "num*s")
	args := []any{"ACL", "SETUSER"}
	for _, p := range typesOf(plugins()) {
		if string(p.Kind()) != kind || p.Name() != name {
			continue
		}
		for _, r := range p.Rights() {
			if r.For == "" || strings.HasPrefix(r.For, "gateway check") || slices.ContainsFunc(uses, func(use string) bool { return r.For == use || strings.HasPrefix(r.For, use+",") }) {
				for rule := range strings.FieldsSeq(names.Replace(r.Rules)) {
					args = append(args, rule)
				}
			}
		}
	}
	return args
}

// TestRedisRights proves that each plugin works with the rights that it declares, and needs all of them, on a
// server with TLS and on a cluster.
func TestRedisRights(t *testing.T) {
	t.Run("TLS", func(t *testing.T) {
		files := testenv.MakeCertificates(t, "gateway")
		port := testenv.FreePort(t)
		server, _ := testenv.StartRedis(t, "--tls-port", strconv.Itoa(port), "--tls-cert-file", files.ServerCert, "--tls-key-file", files.ServerKey, "--tls-ca-cert-file", files.CA, "--tls-auth-clients", "yes")
		options, err := redis.ParseURL(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		admin := redis.NewClient(options)
		defer admin.Close()
		testRights(t, []*redis.Client{admin}, fmt.Sprintf("rediss://USER:pw@localhost:%d", port), map[string]string{"CA": files.CA, "CERT": files.ClientCert, "KEY": files.ClientKey})
	})
	t.Run("watched", testSentinelRights)
	t.Run("cluster", func(t *testing.T) {
		url := testenv.Cluster(t)
		cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{strings.TrimPrefix(strings.Split(url, "?")[0], "redis-cluster://")}})
		defer cluster.Close()
		var lock sync.Mutex
		var admins []*redis.Client
		if err := cluster.ForEachMaster(testenv.Context(t), func(_ context.Context, c *redis.Client) error {
			lock.Lock()
			defer lock.Unlock()
			admins = append(admins, c)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		testRights(t, admins, strings.Replace(url, "://", "://USER:pw@", 1), nil, "a cluster")
	})
}

// testRights runs all plugins as users with the rights for these uses, on the servers of admins.
func testRights(t *testing.T, admins []*redis.Client, url string, env map[string]string, uses ...string) {
	ctx := testenv.Context(t)
	readers, writers := limitedReaders, limitedWriters
	if env == nil {
		env = map[string]string{}
		cut := strings.NewReplacer(", tls: *tls", "", `x-tls: &tls {ca: "${CA}", cert: "${CERT}", key: "${KEY}"}`, "")
		readers, writers = cut.Replace(readers), cut.Replace(writers)
	}
	env["DIR"] = t.TempDir()
	for _, user := range []struct {
		name, kind, plugin string
		uses               []string
	}{
		{"all", "source", "redis-stream", []string{"name", "leader"}}, {"shared", "source", "redis-stream", []string{"group"}}, {"plain", "source", "redis-stream", nil},
		{"heard", "source", "redis-sub", []string{"leader"}}, {"matched", "source", "redis-sub", []string{"patterns"}}, {"once", "transform", "dedupe", nil},
		{"stream", "sink", "redis-stream", nil}, {"bus", "sink", "redis-pub", []string{"sequence"}}, {"plainbus", "sink", "redis-pub", []string{"a channel that is a template"}},
	} {
		args := rightsOf(t, user.kind, user.plugin, append(user.uses, uses...)...)
		if len(args) < 4 {
			t.Fatalf("%s %s says nothing of its rights", user.kind, user.plugin)
		}
		for _, admin := range admins {
			if err := admin.Do(ctx, slices.Insert(slices.Clone(args), 2, any(user.name), "reset", "on", ">pw")...).Err(); err != nil {
				t.Fatalf("%v: %v", args, err)
			}
		}
		mine := strings.NewReplacer("${AT}&user="+user.name+`"`, strings.Replace(url, "USER", user.name, 1)+`"`)
		readers, writers = mine.Replace(readers), mine.Replace(writers)
	}
	reading := startGateway(t, writeConfig(t, readers), env)
	testenv.Eventually(t, testenv.Wait, "a leader", func() bool {
		all, heard := reading.source("all").Leader, reading.source("heard").Leader
		return all != nil && all.State == "leader" || heard != nil && heard.State == "leader"
	})
	writing := startGateway(t, writeConfig(t, writers), env)
	for _, name := range []string{"plain", "shared", "matched"} {
		testenv.Eventually(t, testenv.Wait, name+" to have all", func() bool { return len(payloads(t, filepath.Join(env["DIR"], name))) >= 500 })
	}
	named := 0
	for _, admin := range admins {
		clients, err := admin.ClientList(ctx).Result()
		if err != nil {
			t.Fatal(err)
		}
		named += strings.Count(clients, "name=eventgateway ")
	}
	if named < 8 {
		t.Errorf("%d connections have a name", named)
	}
	reading.stop()
	writing.stop()
	for _, admin := range admins {
		refused, err := admin.Do(ctx, "ACL", "LOG").Slice()
		if err != nil || len(refused) > 0 {
			t.Errorf("the server has refused: %v, %v", refused, err)
		}
	}
	for what, text := range map[string]string{"readers": readers, "writers": writers} {
		env["PORT"] = strconv.Itoa(testenv.FreePort(t))
		out, err := commandLine(t, env, "check", "--live", "-c", writeConfig(t, text))
		if strings.Count(out, "cannot tell") > strings.Count(out, "cannot tell for the channels numbers.{{") || err != nil {
			t.Errorf("check --live of the %s: %v\n%s", what, err, out)
		}
	}
}
