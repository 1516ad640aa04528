package presence

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/testenv"
)

var commandStat = regexp.MustCompile(`(?m)^cmdstat_(\w+):calls=(\d+),usec=(\d+)`)

// TestCostOfJoins bounds the commands and the processor time at Redis of 10,000 clients that join at two nodes within a second.
func TestCostOfJoins(t *testing.T) {
	const clients = 10_000
	for name, channelOf := range map[string]func(i int) string{
		"a channel each": func(i int) string { return fmt.Sprint("room:", i) },
		"100 channels":   func(i int) string { return fmt.Sprint("room:", i%100) },
		"one channel":    func(int) string { return "lobby" },
	} {
		t.Run(name, func(t *testing.T) {
			server, port := testenv.StartRedis(t)
			admin := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})
			defer admin.Close()
			nodes := []*Registry{newNode(t, server.URL(), nil), newNode(t, server.URL(), nil)}
			var probes []*tester
			for _, r := range nodes {
				probes = append(probes, newTester(t, r, "").on("room:probe"))
				probes[len(probes)-1].eventually("room:probe", len(probes), "", false)
			}
			if err := admin.ConfigResetStat(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			for i := range clients {
				newTester(t, nodes[i%2], fmt.Sprint("s", i)).on(channelOf(i))
				if i%100 == 99 {
					time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / clients)))
				}
			}
			bytes := 0
			joined := time.Since(begin)
			testenv.Eventually(t, testenv.Wait, "all stored and read", func() bool {
				waiting := 0
				bytes = 0
				for _, r := range nodes {
					r.mu.Lock()
					bytes += r.bytes
					waiting += len(r.toStore) + len(r.toLoad)
					for _, ch := range r.channels {
						if !ch.inRedis || !ch.loaded {
							waiting++
						}
					}
					r.mu.Unlock()
				}
				return waiting == 0
			})
			text := admin.Info(t.Context(), "commandstats").Val()
			calls, micros := 0, 0
			for _, m := range commandStat.FindAllStringSubmatch(text, -1) {
				n, _ := strconv.Atoi(m[2])
				us, _ := strconv.Atoi(m[3])
				calls, micros = calls+n, micros+us
			}
			if calls > 5*clients {
				t.Errorf("%d commands for %d clients", calls, clients)
			}
			t.Logf("%d joins in %v, stored and read after %v: %.2f commands and %.2f us at Redis for each; %d bytes of a node for each", clients, joined, time.Since(begin), float64(calls)/clients, float64(micros)/clients, bytes/clients)
		})
	}
}
