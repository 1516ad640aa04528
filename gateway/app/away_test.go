package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// The status must show an outage within a second, and events must flow two seconds after the
// server's return. A busy machine gets more time.
const (
	detectedWithin = 5 * time.Second
	resumedWithin  = 8 * time.Second
)

const redisSinks = `
http: {listen: ":${PORT}"}
sources:
  made: {type: generate, rate: 2000}
sinks:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: "{numbers}", maxlen: 0, retry: {attempts: 3}, dead_letter: parked}
  bus: {type: redis-pub, url: "${REDIS_URL}", channel: "{numbers}", sequence: {key: "{numbers}:count"}, retry: {attempts: 3}, dead_letter: parked}
  plain: {type: redis-pub, url: "${REDIS_URL}", channel: "{numbers}.plain"}
  parked: {type: file, path: "${DIR}/parked", sync: never}
routes:
  all: {from: [made], to: [stream, bus, plain]}
`

// awaitDown waits until the sinks are down in the status, and logs how long that took.
func (r *running) awaitDown(t *testing.T, since time.Time, names ...string) {
	t.Helper()
	for _, name := range names {
		testenv.Eventually(t, detectedWithin, name+" shown down", func() bool {
			s := r.sink(name)
			return !s.Up && s.Breaker.State != "closed" && s.LastError != ""
		})
		t.Logf("%s: shown down after %.2f s: %s", name, time.Since(since).Seconds(), r.sink(name).LastError)
	}
}

// awaitResumed waits until the sinks deliver again, and logs how long that took.
func (r *running) awaitResumed(t *testing.T, since time.Time, before map[string]uint64) {
	t.Helper()
	for name, delivered := range before {
		testenv.Eventually(t, resumedWithin, name+" back", func() bool { s := r.sink(name); return s.Up && s.Delivered > delivered })
		t.Logf("%s: back after %.2f s", name, time.Since(since).Seconds())
		if s := r.sink(name); s.DeadLettered > 0 || s.Dropped["max_block"] > 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func (r *running) delivered(names ...string) map[string]uint64 {
	d := map[string]uint64{}
	for _, name := range names {
		d[name] = r.sink(name).Delivered
	}
	return d
}

// checkStoredOnce checks that a stream holds the numbers from 0 on in order, each once, and as many
// as the sink has delivered.
func checkStoredOnce(t *testing.T, client redis.UniversalClient, stream string, delivered uint64) {
	t.Helper()
	next, last := 0, "-"
	for {
		page, err := client.XRangeN(testenv.Context(t), stream, last, "+", 1000).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			data := m.Values["data"].(string)
			if !strings.HasPrefix(data, fmt.Sprintf(`{"number":%d`, next)) {
				t.Fatalf("entry %d is %s", next, data)
			}
			next++
			last = "(" + m.ID
		}
		if len(page) == 0 {
			break
		}
	}
	if uint64(next) != delivered {
		t.Errorf("%d entries, %d delivered", next, delivered)
	}
}

// connectTo returns a client of a Redis.
func connectTo(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// TestRedisAwayUnderLoad proves that an outage of Redis of two seconds under load is shown, that events flow
// again soon, and that each event is stored once.
func TestRedisAwayUnderLoad(t *testing.T) {
	server, _ := testenv.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	client := connectTo(t, server.URL())
	r := startGateway(t, writeConfig(t, redisSinks), map[string]string{"REDIS_URL": server.URL(), "DIR": t.TempDir()})
	all := []string{"stream", "bus", "plain"}
	testenv.Eventually(t, testenv.Wait, "flowing", func() bool { return r.sink("stream").Delivered > 500 && r.sink("plain").Delivered > 500 })
	since := time.Now()
	server.Kill()
	r.awaitDown(t, since, all...)
	time.Sleep(time.Until(since.Add(2 * time.Second))) // the outage that is tested
	before := r.delivered(all...)
	if err := server.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	r.awaitResumed(t, time.Now(), before)
	r.stop()
	checkStoredOnce(t, client, "{numbers}", r.sink("stream").Delivered)
}

// TestRedisRefusalIsSinkFailure proves that a missing right, a read-only server and a full one fail the sink as a
// whole, and that it recovers when their cause ends.
func TestRedisRefusalIsSinkFailure(t *testing.T) {
	server, port := testenv.StartRedis(t)
	client := connectTo(t, server.URL())
	do := func(args ...any) {
		t.Helper()
		if err := client.Do(testenv.Context(t), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	do("ACL", "SETUSER", "gw", "on", ">pw", "+@all", "~*", "&*")
	r := startGateway(t, writeConfig(t, redisSinks), map[string]string{"REDIS_URL": fmt.Sprintf("redis://gw:pw@127.0.0.1:%d", port), "DIR": t.TempDir()})
	numbered := []string{"stream", "bus"}
	for _, fault := range []struct {
		name        string
		sinks       []string
		begin, mend []any
		otherCause  string
	}{
		{"NOPERM", append(numbered, "plain"), []any{"ACL", "SETUSER", "gw", "-evalsha", "-publish"}, []any{"ACL", "SETUSER", "gw", "+@all"}, ""},
		{"READONLY", numbered, []any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}, ""},
		{"OOM", numbered, []any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}, ""},
		{"user is disabled", append(numbered, "plain"), []any{"ACL", "SETUSER", "gw", "off"}, []any{"ACL", "SETUSER", "gw", "on"}, "kill"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			testenv.Eventually(t, testenv.Wait, "flowing", func() bool { return r.sink("stream").Up && r.sink("bus").Up && r.sink("plain").Up })
			since := time.Now()
			do(fault.begin...)
			if fault.otherCause == "kill" {
				do("CLIENT", "KILL", "USER", "gw")
			}
			r.awaitDown(t, since, fault.sinks...)
			for _, name := range fault.sinks {
				testenv.Eventually(t, detectedWithin, "the reason of "+name, func() bool { return strings.Contains(r.sink(name).LastError, fault.name) })
			}
			before := r.delivered(fault.sinks...)
			do(fault.mend...)
			r.awaitResumed(t, time.Now(), before)
		})
	}
	r.stop()
	checkStoredOnce(t, client, "{numbers}", r.sink("stream").Delivered)
}

// TestLostAnswersDoNotRepeatEvents proves that each event is stored once although connections break before the
// answers of Redis arrive, also if other events of its batch fail.
func TestLostAnswersDoNotRepeatEvents(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	proxy, url := testenv.ProxyURL(t, server.URL())
	client := connectTo(t, server.URL())
	r := startGateway(t, writeConfig(t, redisSinks), map[string]string{"REDIS_URL": url, "DIR": t.TempDir()})
	for range 30 {
		before := r.delivered("stream")["stream"]
		testenv.Eventually(t, resumedWithin, "more delivered", func() bool { return r.sink("stream").Delivered > before })
		proxy.LoseAnswers()
	}
	r.stop()
	checkStoredOnce(t, client, "{numbers}", r.sink("stream").Delivered)
}

const redisIdle = `
http: {listen: ":${PORT}"}
sources:
  one: {type: generate, count: 1}
sinks:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: idle}
  bus: {type: redis-pub, url: "${REDIS_URL}", channel: idle}
routes:
  all: {from: [one], to: [stream, bus]}
`

// TestIdleSinkDetectsOutage proves that a sink without events shows that its server is away or silent, and that it
// has returned.
func TestIdleSinkDetectsOutage(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	proxy, url := testenv.ProxyURL(t, server.URL())
	r := startGateway(t, writeConfig(t, redisIdle), map[string]string{"REDIS_URL": url, "DIR": t.TempDir()})
	all := []string{"stream", "bus"}
	up := func(within time.Duration) {
		t.Helper()
		since := time.Now()
		for _, name := range all {
			testenv.Eventually(t, within, name+" up", func() bool { s := r.sink(name); return s.Up && s.Breaker.State == "closed" && s.Delivered == 1 })
			t.Logf("%s: up after %.2f s", name, time.Since(since).Seconds())
		}
	}
	up(testenv.Wait)
	since := time.Now()
	server.Kill()
	r.awaitDown(t, since, all...)
	if err := server.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	up(resumedWithin)
	thaw := proxy.Freeze() // the next connection is not frozen
	defer thaw()
	since = time.Now()
	for _, name := range all {
		errors := r.sink(name).Errors
		testenv.Eventually(t, frozenWithin, name+" shown", func() bool { return r.sink(name).Errors > errors || !r.sink(name).Up })
		t.Logf("%s: silence shown after %.2f s", name, time.Since(since).Seconds())
	}
	up(resumedWithin)
}

const redisCluster = redisSinks + `
  back: {from: [read, heard], to: [nothing]}
`

// TestClusterMasterAway proves that events flow again soon after the replica of a killed master of a Redis Cluster
// has taken over.
func TestClusterMasterAway(t *testing.T) {
	url, kill, well := testenv.ClusterWithReplica(t, "{numbers}")
	text := strings.Replace(redisCluster, "sinks:", "  read: {type: redis-stream, url: \"${REDIS_URL}\", stream: \"{numbers}\"}\n  heard: {type: redis-sub, url: \"${REDIS_URL}\", channels: [\"{numbers}.plain\"]}\ntransforms:\n  none: {type: filter, when: \"false\", on_error: drop}\nsinks:\n  nothing: {type: stdout}", 1)
	text = strings.Replace(text, "back: {from: [read, heard],", "back: {from: [read, heard], through: [none],", 1)
	r := startGateway(t, writeConfig(t, text), map[string]string{"REDIS_URL": url, "DIR": t.TempDir()})
	all := []string{"stream", "bus", "plain"}
	testenv.Eventually(t, testenv.Wait, "flowing", func() bool { return r.source("read").Emitted > 500 && r.source("heard").Emitted > 500 })
	since := time.Now()
	kill()
	r.awaitDown(t, since, all...)
	well()
	t.Logf("the cluster is well after %.2f s", time.Since(since).Seconds())
	since = time.Now()
	before, read, heard := r.delivered(all...), r.source("read").Emitted, r.source("heard").Emitted
	r.awaitResumed(t, since, before)
	testenv.Eventually(t, resumedWithin, "read", func() bool { s := r.source("read"); return s.Up && s.Emitted > read })
	t.Logf("read: back after %.2f s", time.Since(since).Seconds())
	testenv.Eventually(t, resumedWithin, "heard", func() bool { s := r.source("heard"); return s.Up && s.Emitted > heard })
	t.Logf("heard: back after %.2f s", time.Since(since).Seconds())
}
