package testenv

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// node is a server of a cluster.
type node struct {
	*redis.Client
	server    *RedisServer
	port, bus int
}

// startNode starts a server that is in no cluster yet. args are arguments of redis-server.
func startNode(t testing.TB, args ...string) node {
	bus := FreePort(t)
	server, port := StartRedis(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus)}, args...)...)
	client := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})
	t.Cleanup(func() { client.Close() })
	return node{client, server, port, bus}
}

// Cluster starts a Redis Cluster of three servers, and returns its URL.
func Cluster(t testing.TB) (url string) {
	t.Helper()
	return clusterURL(startCluster(t))
}

func clusterURL(nodes []node) string {
	return fmt.Sprintf("redis-cluster://127.0.0.1:%d?addr=127.0.0.1:%d", nodes[0].port, nodes[1].port)
}

func startCluster(t testing.TB, args ...string) []node {
	t.Helper()
	ctx := Context(t)
	const masters, slots = 3, 16384
	var nodes []node
	for i := range masters {
		n := startNode(t, args...)
		must(t, n.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err())
		must(t, n.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		nodes = append(nodes, n)
	}
	for _, n := range nodes[1:] {
		must(t, nodes[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", n.port, n.bus).Err())
	}
	for _, n := range nodes {
		Eventually(t, Wait, "the cluster to form", func() bool {
			known, err := n.ClusterShards(ctx).Result()
			state, stateErr := n.ClusterInfo(ctx).Result()
			return err == nil && stateErr == nil && len(known) == masters && strings.HasPrefix(state, "cluster_state:ok")
		})
	}
	return nodes
}

// ClusterWithReplica starts a Redis Cluster of three masters. The master of key has a replica. It
// returns the cluster's URL. kill ends this master. promoted waits until its replica has replaced it.
func ClusterWithReplica(t testing.TB, key string) (url string, kill, promoted func()) {
	t.Helper()
	ctx := Context(t)
	nodes := startCluster(t, "--cluster-node-timeout", "1000")
	slot := nodes[0].ClusterKeySlot(ctx, key).Val()
	at := int(slot) * len(nodes) / 16384
	master, others := nodes[at], append(append([]node{}, nodes[:at]...), nodes[at+1:]...)
	replica := startNode(t, "--cluster-node-timeout", "1000")
	must(t, nodes[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", replica.port, replica.bus).Err())
	id := master.Do(ctx, "CLUSTER", "MYID").Val()
	Eventually(t, Wait, "the replica to know its master", func() bool { return replica.Do(ctx, "CLUSTER", "REPLICATE", id).Err() == nil })
	Eventually(t, Wait, "the replica to follow", func() bool {
		role, err := replica.Do(ctx, "ROLE").Slice()
		known, kerr := others[0].ClusterShards(ctx).Result()
		both := 0
		for _, s := range known {
			both += len(s.Nodes)
		}
		return err == nil && kerr == nil && len(role) > 3 && role[3] == "connected" && both == len(nodes)+1
	})
	return clusterURL(others), master.server.Kill, func() {
		t.Helper()
		Eventually(t, Wait, "the replica to take over", func() bool {
			role, err := replica.Do(ctx, "ROLE").Slice()
			state, serr := others[0].ClusterInfo(ctx).Result()
			return err == nil && serr == nil && len(role) > 0 && role[0] == "master" && strings.HasPrefix(state, "cluster_state:ok")
		})
	}
}
