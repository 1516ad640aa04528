package redissub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// rerun runs a source until the test ends, again after each error, as the router does. The record has "ready", gaps, payloads,
// and "failed ..." with the errors.
func rerun(t *testing.T, url string) *recorder {
	t.Helper()
	impl, err := build(Options{URL: options.NewURL(url), Channels: []string{"news"}, Ping: options.Duration(time.Second), Buffer: Buffer{Messages: 1000, Bytes: 1 << 20}}, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	h := &rerunRecorder{recorder{each: make(chan string, 100_000)}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if err := impl.Run(ctx, h); err != nil {
				h.each <- fmt.Sprintf("failed %t %v", plugin.IsUnavailable(err), err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	h.await(t, "ready")
	return &h.recorder
}

type rerunRecorder struct{ recorder }

func (h *rerunRecorder) Ready() { h.each <- "ready" }

// await returns the next record that begins with a prefix, and those before it.
func (h *recorder) await(t *testing.T, prefix string) (found string, before []string) {
	t.Helper()
	for {
		text := h.next(t)
		if strings.HasPrefix(text, prefix) {
			return text, before
		}
		before = append(before, text)
	}
}

func clientOf(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// follow makes a server a replica, and waits until it follows its master.
func follow(t *testing.T, server *redis.Client, port int) {
	t.Helper()
	ctx := testenv.Context(t)
	if err := server.ReplicaOf(ctx, "127.0.0.1", fmt.Sprint(port)).Err(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, testenv.Wait, "the replica to follow", func() bool {
		role, err := server.Do(ctx, "ROLE").Slice()
		return err == nil && len(role) > 3 && role[3] == "connected"
	})
}

func send(t *testing.T, server *redis.Client, payload string) {
	t.Helper()
	if err := server.Publish(testenv.Context(t), "news", payload).Err(); err != nil {
		t.Fatal(err)
	}
}

// TestReplicaThatFollows proves that a source subscribes at a replica that follows its master, and that a source whose server
// becomes one goes on there with a gap.
func TestReplicaThatFollows(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	other, port := testenv.StartRedis(t)
	here, master := clientOf(t, server.URL()), clientOf(t, other.URL())
	h := rerun(t, server.URL())
	send(t, here, "before")
	h.await(t, "before")
	follow(t, here, port)
	if gap, before := h.await(t, "gap"); !strings.Contains(gap, "another master") || len(before) > 0 {
		t.Errorf("%q, after %q", gap, before)
	}
	send(t, master, "after")
	if _, before := h.await(t, "after"); len(before) > 0 {
		t.Errorf("it has not stayed: %q", before)
	}

	h = rerun(t, server.URL()) // begins at a replica
	send(t, master, "more")
	if _, before := h.await(t, "more"); len(before) > 0 {
		t.Errorf("%q", before)
	}
}

// TestOrphanedReplica proves that a source notices that its server has become a replica without a master, says so, and goes on
// with a gap once it follows a master.
func TestOrphanedReplica(t *testing.T) {
	server, _ := testenv.StartRedis(t)
	here := clientOf(t, server.URL())
	h := rerun(t, server.URL())
	if err := here.ReplicaOf(testenv.Context(t), "127.0.0.1", fmt.Sprint(testenv.FreePort(t))).Err(); err != nil {
		t.Fatal(err)
	}
	const lost = "replica that has lost its master"
	if text, _ := h.await(t, "failed"); !strings.HasPrefix(text, "failed true") || !strings.Contains(text, lost) {
		t.Errorf("%s", text)
	}
	if text := h.next(t); !strings.HasPrefix(text, "failed true") || !strings.Contains(text, lost) { // and is not ready in between
		t.Errorf("again: %s", text)
	}
	other, port := testenv.StartRedis(t)
	follow(t, here, port)
	h.await(t, "gap")
	if text := h.next(t); text != "ready" {
		t.Errorf("%s", text)
	}
	send(t, clientOf(t, other.URL()), "again")
	h.await(t, "again")
}

// TestOtherMaster proves that a source leaves a server that is not the master of the Sentinels any more, also where that does
// not know it.
func TestOtherMaster(t *testing.T) {
	url, _, _ := testenv.Sentinel(t)
	h := rerun(t, url)
	ctx := testenv.Context(t)
	sentinel := clientOf(t, strings.Replace(strings.Split(url, "?")[0], "-sentinel", "", 1))
	other, port := testenv.StartRedis(t)
	for _, command := range [][]any{{"SENTINEL", "REMOVE", "orders"}, {"SENTINEL", "MONITOR", "orders", "127.0.0.1", port, 1}} {
		if err := sentinel.Do(ctx, command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := h.await(t, "failed"); !strings.HasPrefix(text, "failed true") {
		t.Errorf("%s", text)
	}
	h.await(t, "gap")
	h.await(t, "ready")
	send(t, clientOf(t, other.URL()), "here")
	h.await(t, "here")
}

// TestLoneNodeOfCluster proves that a source notices that its node is not part of a working cluster any more.
func TestLoneNodeOfCluster(t *testing.T) {
	url := testenv.Cluster(t)
	h := rerun(t, url)
	ctx := testenv.Context(t)
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{strings.TrimPrefix(strings.Split(url, "?")[0], "redis-cluster://")}})
	defer cluster.Close()
	node, err := cluster.MasterForKey(ctx, "news")
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Do(ctx, "CLUSTER", "RESET", "SOFT").Err(); err != nil {
		t.Fatal(err)
	}
	if text, _ := h.await(t, "failed"); !strings.HasPrefix(text, "failed true") || !strings.Contains(text, "cluster") {
		t.Errorf("%s", text)
	}
}
