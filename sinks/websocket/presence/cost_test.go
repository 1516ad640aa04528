package presence

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
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
			joined := time.Since(begin)
			testenv.Eventually(t, testenv.Wait, "all stored and read", func() bool {
				waiting := 0
				for _, r := range nodes {
					r.mu.Lock()
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
			t.Logf("%d joins in %v, stored and read after %v: %.2f commands and %.2f us at Redis for each; %d bytes of a node for each", clients, joined, time.Since(begin), float64(calls)/clients, float64(micros)/clients, (nodes[0].bytes+nodes[1].bytes)/clients)
		})
	}
}

// TestRights proves that the share works with the rights that it declares, on one server and on a cluster.
func TestRights(t *testing.T) {
	single, port := testenv.StartRedis(t)
	cluster := testenv.Cluster(t)
	for kind, url := range map[string]string{"one": single.URL(), "cluster": cluster} {
		t.Run(kind, func(t *testing.T) {
			admins := []*redis.Client{redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})}
			if kind == "cluster" {
				admins[0].Close()
				admins = nil
				c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{strings.TrimPrefix(strings.Split(url, "?")[0], "redis-cluster://")}})
				defer c.Close()
				for _, shard := range c.ClusterShards(t.Context()).Val() {
					admins = append(admins, redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", shard.Nodes[0].Port)}))
				}
			}
			for _, admin := range admins {
				defer admin.Close()
				args := []any{"ACL", "SETUSER", "presence", "reset", "on", ">pw"}
				for _, right := range redisconn.Rights(Right) {
					if right.For != redisconn.SentinelRightsFor {
						for rule := range strings.FieldsSeq(strings.ReplaceAll(right.Rules, "PREFIX", "test:"+t.Name()+":")) {
							args = append(args, rule)
						}
					}
				}
				if err := admin.Do(t.Context(), args...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			url = strings.Replace(url, "://", "://presence:pw@", 1)
			one, two := newNode(t, url, nil), newNode(t, url, nil)
			newTester(t, one, "ann").on("lobby")
			b := newTester(t, two, "bob").on("lobby", "room:1")
			b.eventually("lobby", 2, "ann bob", false)
			two.cancel() // without Close: the other removes what it has stored
			two.ended.Wait()
			newTester(t, one, "cid").on("lobby").eventually("lobby", 2, "ann cid", false)
			for _, f := range one.Probe(testenv.Context(t)) {
				if f.Level > 0 {
					t.Errorf("%+v", f)
				}
			}
			one.Close(context.Background())
			for _, admin := range admins {
				if refused, err := admin.Do(t.Context(), "ACL", "LOG").Slice(); err != nil || len(refused) > 0 {
					t.Errorf("the server has refused: %v, %v", refused, err)
				}
			}
		})
	}
}
