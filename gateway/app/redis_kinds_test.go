package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

const redisReaders = `
http: {listen: ":${PORT}"}
sources:
  all: {type: redis-stream, url: "${REDIS_URL}", stream: numbers, name: me, leader: reader}
  shared: {type: redis-stream, url: "${REDIS_URL}", stream: numbers, group: g, consumer: me}
  heard: {type: redis-sub, url: "${REDIS_URL}", channels: [numbers], patterns: ["num*s"]}
transforms:
  once: {type: dedupe, by: number, redis: "${REDIS_URL}"}
sinks:
  all: {type: file, path: "${DIR}/all", sync: never}
  shared: {type: file, path: "${DIR}/shared", sync: never}
  heard: {type: file, path: "${DIR}/heard", sync: never}
routes:
  all: {from: [all], to: [all]}
  shared: {from: [shared], to: [shared]}
  heard: {from: [heard], through: [once], to: [heard]}
`

const redisWriters = `
http: {listen: ":${PORT}"}
sources:
  made: {type: generate, rate: 2000, count: 4000}
sinks:
  stream: {type: redis-stream, url: "${REDIS_URL}", stream: numbers}
  bus: {type: redis-pub, url: "${REDIS_URL}", channel: numbers, sequence: {key: count}}
routes:
  all: {from: [made], to: [stream, bus]}
`

// payloads returns the payloads in the file of a file sink. The sink may be writing the last line.
func payloads(t *testing.T, path string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		e, err := event.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(e.Data))
	}
	return out
}

// TestRedisPluginsOnClusterAndSentinel proves that every Redis plugin works on a cluster, and on a master
// of Sentinel that is killed. Redis loses entries that the master has not replicated, so there only the last
// entries must arrive, and subscribers must subscribe again.
func TestRedisPluginsOnClusterAndSentinel(t *testing.T) {
	const count = 4000
	run := func(t *testing.T, url string, midway func()) (dir string) {
		dir = t.TempDir()
		env := map[string]string{"REDIS_URL": url, "DIR": dir}
		readers := startGateway(t, writeConfig(t, redisReaders), env)
		testenv.Eventually(t, testenv.Wait, "leading", func() bool { l := readers.source("all").Leader; return l != nil && l.State == "leader" })
		writers := startGateway(t, writeConfig(t, redisWriters), env)
		testenv.Eventually(t, testenv.Wait, "half delivered", func() bool { return writers.sink("stream").Delivered > count/2 })
		midway()
		arrived := func(name string) bool {
			list := payloads(t, filepath.Join(dir, name))
			return len(list) > 0 && strings.HasPrefix(list[len(list)-1], fmt.Sprintf(`{"number":%d`, count-1))
		}
		for _, name := range []string{"all", "shared"} {
			testenv.Eventually(t, testenv.Wait, "the last one in "+name, func() bool { return arrived(name) })
		}
		testenv.Eventually(t, testenv.Wait, "the last one heard, or a gap", func() bool {
			return readers.gaps("heard") > 0 || arrived("heard")
		})
		if readers.gaps("heard") > 0 {
			testenv.Eventually(t, testenv.Wait, "subscribed again", func() bool { return readers.source("heard").Up })
			before := readers.source("heard").Emitted
			more := startGateway(t, writeConfig(t, redisWriters), env)
			testenv.Eventually(t, testenv.Wait, "heard again", func() bool { return readers.source("heard").Emitted > before })
			more.stop()
		}
		writers.stop()
		readers.stop()
		return dir
	}
	t.Run("cluster", func(t *testing.T) {
		dir := run(t, testenv.Cluster(t), func() {})
		for _, name := range []string{"all", "shared", "heard"} {
			list := payloads(t, filepath.Join(dir, name))
			for n := range count {
				want := fmt.Sprintf(`{"number":%d`, n)
				if n >= len(list) || !strings.HasPrefix(list[n], want) {
					t.Fatalf("%s: event %d of %d is not %s", name, n, len(list), want)
				}
			}
			if len(list) != count {
				t.Errorf("%s: %d events", name, len(list))
			}
		}
	})
	t.Run("sentinel", func(t *testing.T) {
		url, kill, well := testenv.Sentinel(t)
		run(t, url, func() { kill(); well() })
	})
}
