package app

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// server is a program that does the work of the gateway, in a process of its own.
type server struct {
	name   string
	args   []string
	reader func(*webSocketReader) eventReceiver // nil: one event per frame
	hello  string                               // what a client sends first
	fields []any                                // of its entries in a stream, before the payload
}

// centrifugeData is what comes before the payload in a message of the Centrifuge protocol.
const centrifugeData = `{"push":{"channel":"orders","pub":{"data":`

// BenchmarkOthers compares the gateway with programs of others on the same work, each in a process of its own. CPU and memory are
// those of that process alone. OTHERS names the folder of their programs; without it the benchmark is skipped.
func BenchmarkOthers(b *testing.B) {
	dir := os.Getenv("OTHERS")
	if dir == "" {
		b.Skip("OTHERS is not set")
	}
	program := func(name string) server { return server{name: name, args: []string{filepath.Join(dir, name)}} }
	node := server{name: "node ws", args: []string{"node", "../bench/others/node/server.js"}}
	centrifuge := program("centrifuge")
	centrifuge.hello = `{"id":1,"connect":{}}`
	centrifuge.reader = func(r *webSocketReader) eventReceiver { return &centrifugeReader{r} }
	gateway := func(args ...string) server {
		return server{name: "gateway", args: append([]string{filepath.Join(dir, "gateway")}, args...)}
	}
	stream := gateway("-c", writeConfig(b, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {in: {type: redis-stream, url: "${REDIS_URL}", stream: bench_in, group: bench, from: start}}
sinks: {out: {type: redis-stream, url: "${REDIS_URL}", stream: bench_out}}
routes: {relay: {from: [in], to: [out]}}
`))
	stream.fields = []any{"eventgateway", "1", "data"}
	watermill := program("watermill")
	watermill.fields = []any{"metadata", "\x80", "_watermill_message_uuid", "u", "payload"} // the metadata are an empty MessagePack map
	deliver := gateway("-c", defaultConfig, "--route", "deliver")
	for _, clients := range []int{100, 1000} {
		events := 500_000 / clients
		for _, s := range []server{deliver, node, program("melody"), centrifuge} {
			b.Run(fmt.Sprintf("Redis to %d clients/%s", clients, s.name), func(b *testing.B) {
				compareToBare(b, nil, func() measurement {
					return s.run(b, false, func(port string) measurement {
						l := fanoutLoad(b, target{port: port, at: s.numberAt(numberAt), hello: s.hello, reader: s.reader}, clients, everything)
						return l.measure(b, events, events).perDelivery(clients)
					}, clients*(fewInFlight+2*events))
				})
			})
		}
	}
	for _, s := range []server{gateway("-c", defaultConfig), node} {
		b.Run("NOTIFY to 100 clients/"+s.name, func(b *testing.B) {
			compareToBare(b, nil, func() measurement {
				return s.run(b, true, func(port string) measurement {
					db := testenv.Connect(b)
					defer db.Close(b.Context())
					return notifyLoad(b, db, port, 100).measure(b, notified, notified)
				}, fewInFlight+2*notified)
			})
		})
	}
	for _, s := range []server{stream, watermill} {
		b.Run("stream to stream/"+s.name, func(b *testing.B) {
			compareToBare(b, nil, func() measurement {
				testenv.RedisClient(b).Del(b.Context(), "bench_in", "bench_out")
				return s.run(b, false, func(string) measurement { return copyStream(b, s.fields) }, streamed)
			})
		})
	}
}

// numberAt returns where the number begins in what the server sends.
func (s server) numberAt(at int) int {
	if s.reader != nil {
		return len(centrifugeData) + at
	}
	return at
}

// run starts the server, and measures f, which passes a number of events through it.
func (s server) run(b *testing.B, database bool, f func(port string) measurement, events int) measurement {
	b.Helper()
	port := strconv.Itoa(testenv.FreePort(b))
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Env = append(cmd.Environ(), "PORT="+port, "REDIS_URL="+testenv.Redis(b).URL(), "DATABASE_URL=")
	if database || s.name == "gateway" {
		cmd.Env = append(cmd.Env, "DATABASE_URL="+testenv.Postgres(b).URL())
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if b.Failed() {
			b.Logf("%s: %s", s.name, log.Bytes())
		}
	}()
	testenv.Eventually(b, testenv.Wait, s.name+" is ready", func() bool { // others listen when they have connected
		resp, err := http.Get("http://127.0.0.1:" + port + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK || s.name != "gateway"
	})
	before := processTime(b, cmd.Process.Pid)
	m := f(port)
	m.cpu = float64((processTime(b, cmd.Process.Pid) - before).Microseconds()) / float64(events)
	m.allocs, m.peak = 0, peakMemory(b, strconv.Itoa(cmd.Process.Pid))
	return m
}

const (
	streamed = 50_000 // entries
	notified = 10_000 // of each of two passes
)

// copyStream appends to a stream, and measures until another stream has all of it.
func copyStream(b *testing.B, fields []any) measurement {
	b.Helper()
	client := testenv.RedisClient(b)
	payload := appendNumbered(nil, 0, fanoutBytes)
	return measure(b, streamed, func() {
		for range streamed / 500 {
			pipe := client.Pipeline()
			for range 500 {
				pipe.XAdd(b.Context(), &redis.XAddArgs{Stream: "bench_in", Values: append(fields[:len(fields):len(fields)], payload)})
			}
			if _, err := pipe.Exec(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		testenv.Eventually(b, passTime, "all copied", func() bool { return client.XLen(b.Context(), "bench_out").Val() >= streamed })
		if n := client.XLen(b.Context(), "bench_out").Val(); n != streamed {
			b.Fatalf("%d messages were copied, want %d", n, streamed)
		}
	})
}

// centrifugeReader checks the number of each event where a frame has several messages, one a line.
type centrifugeReader struct{ *webSocketReader }

func (c *centrifugeReader) receive(to int, each func(int)) error {
	for c.next < to {
		_, head, size, err := frameHead(c.r)
		if err != nil {
			return err
		}
		if _, err := c.r.Discard(head); err != nil {
			return err
		}
		frame := make([]byte, size)
		if _, err := io.ReadFull(c.r, frame); err != nil {
			return err
		}
		for line := range bytes.SplitSeq(frame, []byte("\n")) {
			if n, err := numberIn(line, c.at); err != nil || n != c.next {
				return fmt.Errorf("event %d comes instead of %d, %v", n, c.next, err)
			}
			if each != nil {
				each(c.next)
			}
			c.next++
		}
	}
	return nil
}
