package app

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

// streamConfig is a gateway whose history is that of a Redis Stream.
const streamConfig = `
http: {listen: "127.0.0.1:${PORT}"}
sources: {numbers: {type: redis-stream, url: "${REDIS_URL}", stream: numbers, name: "${PORT}"}}
sinks: {out: {type: websocket, origins: ["*"], history: {from_source: 10m, events: 200000}}}
routes: {live: {from: [numbers], to: [out]}}
`

// gatewayProcess is a gateway in a process of its own, which may be killed and started again.
type gatewayProcess struct {
	t                  testing.TB
	binary, file, port string
	cmd                *exec.Cmd
}

func (p *gatewayProcess) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "-c", p.file)
	p.cmd.Env = []string{"PORT=" + p.port, "REDIS_URL=" + testenv.Redis(p.t).URL(), "XDG_STATE_HOME=" + p.t.TempDir()}
	var log testenv.Log
	p.cmd.Stderr = &log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.cmd
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	testenv.Eventually(p.t, testenv.Wait, "ready", func() bool { return strings.Contains(log.String(), "gateway ready") }, log.String)
}

// kill ends it at once: it cannot tell its clients.
func (p *gatewayProcess) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // "signal: killed"
}

// TestClientGoesOnAtAnotherGateway proves that a client with two URLs goes on at the other gateway each time the one it is connected to
// is killed: each of its subscriptions is resumed, misses nothing, and gets nothing twice.
func TestClientGoesOnAtAnotherGateway(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.Command("go", "build", "-o", binary, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	inEngines(t, func(t *testing.T, e engine) {
		rdb := testenv.RedisClient(t)
		if err := rdb.Del(testenv.Context(t), "numbers").Err(); err != nil {
			t.Fatal(err)
		}
		var sent atomic.Int64
		add := func() error {
			values := []string{"eventgateway", "1", "data", fmt.Sprintf(`{"n":%d}`, sent.Add(1))}
			return rdb.XAdd(testenv.Context(t), &redis.XAddArgs{Stream: "numbers", Values: values}).Err()
		}
		if err := add(); err != nil {
			t.Fatal(err)
		}
		file := writeConfig(t, streamConfig)
		var gateways [2]*gatewayProcess
		var urls [2]string
		for i := range gateways {
			gateways[i] = &gatewayProcess{t: t, binary: binary, file: file, port: strconv.Itoa(testenv.FreePort(t))}
			gateways[i].start()
			urls[i] = "ws://127.0.0.1:" + gateways[i].port + "/"
		}
		e.run(t, fmt.Sprintf(`(globalThis.got = { all: [], even: [] }, globalThis.told = [], globalThis.resumed = 0, globalThis.client = new GatewayClient([%q, %q], options),
			globalThis.subscriptions = Object.keys(got).map((name) => client.subscribe(name === "even" ? { filter: "n %% 2 == 0" } : {}, {
				onMessage: (payload) => got[name].push(parse(payload).n),
				onGap: ({ reason }) => told.push(reason), onRefused: (why) => told.push(why), onResumed: () => resumed++,
			})), 0)`, urls[0], urls[1]))
		e.await(`subscriptions.every(({ position }) => position)`)

		var stop atomic.Bool
		var writing sync.WaitGroup
		defer writing.Wait()
		defer stop.Store(true)
		writing.Go(func() {
			for ; !stop.Load(); time.Sleep(time.Millisecond) { // so that the history reaches back far enough
				if err := add(); err != nil {
					t.Error(err)
					return
				}
			}
		})
		for round := range 4 {
			connected := gateways[round%2]
			e.await(fmt.Sprintf(`got.even.at(-1) > %d`, sent.Load()))
			connected.kill()
			e.await(fmt.Sprintf(`resumed === %d`, 2*(round+1)))
			connected.start()
		}
		stop.Store(true)
		writing.Wait()
		for range 2 {
			if err := add(); err != nil {
				t.Fatal(err)
			}
		}
		last := sent.Load()
		e.await(fmt.Sprintf(`got.all.at(-1) === %d && got.even.at(-1) === %d`, last, last/2*2))
		want := fmt.Sprintf(`[%d,true,%d,true,[]]`, last-1, last/2) // the first was there before
		if got := e.run(t, `[got.all.length, got.all.every((n, i) => n === i + 2), got.even.length, got.even.every((n, i) => n === 2 * i + 2), told]`); got != want {
			t.Errorf("all, in order, even, in order, told: %s, want %s", got, want)
		}
		t.Logf("%d events", last)
		e.run(t, `(client.close(), 0)`)
	})
}
