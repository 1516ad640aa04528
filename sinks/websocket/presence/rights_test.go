package presence

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/redisconn"
	"eventgateway/gateway/testenv"
)

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
