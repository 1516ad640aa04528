package presence

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// newNode returns a registry that shares its counts through the Redis at url.
func newNode(t testing.TB, url string, set func(*Options)) *Registry {
	t.Helper()
	r := newRegistry(t, func(o *Options) {
		o.Redis, o.Linger, o.Prefix = options.NewURL(url), 0, "test:"+t.Name()+":"
		if set != nil {
			set(o)
		}
	})
	t.Cleanup(func() { r.Close(testenv.Context(t)) })
	return r
}

// eventually waits until the state of a channel is as wanted, also with regard to partial.
func (c *tester) eventually(channel string, clients int, subjects string, partial bool) (waited time.Duration) {
	c.t.Helper()
	var m message
	return testenv.Eventually(c.t, testenv.Wait, fmt.Sprintf("%d clients (%s), partial %v", clients, subjects, partial), func() bool {
		m = c.ask(channel)
		return m.Clients == clients && strings.Join(*m.Subjects, " ") == subjects && m.Partial == partial
	}, func() string { return fmt.Sprintf("%+v %v", m, *m.Subjects) })
}

// TestNodesAddUp proves that clients see those of other nodes, on one server and on a cluster, with any names.
func TestNodesAddUp(t *testing.T) {
	for kind, url := range map[string]string{"one": testenv.Redis(t).URL(), "cluster": testenv.Cluster(t)} {
		t.Run(kind, func(t *testing.T) {
			one, two := newNode(t, url, nil), newNode(t, url, nil)
			for i, name := range []string{"room:1", "room:{1}\x00\"}{" + strings.Repeat("x", 8<<10)} {
				a, b := newTester(t, one, "ann"), newTester(t, two, "bob")
				a.watch(name).want(t, 1, "ann", "", "")
				b.watch(name).want(t, 2, "ann bob", "", "")
				a.next().want(t, 2, "", "bob", "")
				again := newTester(t, two, "ann").on(name)
				a.next().want(t, 3, "", "", "")
				b.on()
				a.next().want(t, 2, "", "", "bob")
				again.on()
				a.next().want(t, 1, "", "", "")
				if m := newTester(t, two, fmt.Sprint(i)).watch(name); m.Clients != 2 || m.Partial {
					t.Errorf("%+v", m)
				}
				a.on()
			}
		})
	}
}

// fieldsIn returns the number of fields that nodes have in Redis.
func fieldsIn(t testing.TB, client redis.UniversalClient, prefix string) (n int) {
	t.Helper()
	for scan := client.Scan(t.Context(), 0, prefix+"channel:*", 1000).Iterator(); scan.Next(t.Context()); {
		n += int(client.HLen(t.Context(), scan.Val()).Val())
	}
	return n
}

// TestEndedNodes proves that the clients of a node that is closed linger, that those of one that ends without Close count for the lease
// at most, and that nothing remains of both.
func TestEndedNodes(t *testing.T) {
	t.Parallel()
	client := testenv.RedisClient(t)
	one := newNode(t, testenv.Redis(t).URL(), nil)
	a := newTester(t, one, "ann").on("lobby")
	a.eventually("lobby", 1, "ann", false)

	closed := newNode(t, testenv.Redis(t).URL(), func(o *Options) { o.Linger = options.Duration(time.Second) })
	newTester(t, closed, "bob").watch("lobby")
	a.eventually("lobby", 2, "ann bob", false)
	begin := time.Now()
	closed.Close(testenv.Context(t))
	a.eventually("lobby", 1, "ann", false)
	if waited := time.Since(begin); waited < time.Second {
		t.Errorf("gone after %v", waited)
	}

	proxy, url := testenv.ProxyURL(t, testenv.Redis(t).URL())
	cutOff := newNode(t, url, nil)
	newTester(t, cutOff, "cid").watch("lobby")
	a.eventually("lobby", 2, "ann cid", false)
	begin = time.Now()
	proxy.Throttle(1) // too slow for any answer
	proxy.Cut()
	a.eventually("lobby", 1, "ann", false)
	if waited := time.Since(begin); waited < lease-2*renewInterval {
		t.Errorf("gone after %v", waited)
	}
	proxy.Throttle(0)
	proxy.Cut()
	a.eventually("lobby", 2, "ann cid", false) // it has another name
	cutOff.cancel()
	cutOff.ended.Wait() // it ends without Close
	a.eventually("lobby", 1, "ann", false)
	newTester(t, one, "dan").watch("room:1")
	b := newTester(t, newNode(t, testenv.Redis(t).URL(), nil), "eve")
	b.watch("lobby")
	testenv.Eventually(t, testenv.Wait, "without fields of ended nodes", func() bool { return fieldsIn(t, client, one.opts.Prefix) == 3 })
}

// TestOutage proves that the state is partial while Redis is away or has lost its data, that it heals, and that clients of other nodes
// do not leave and join meanwhile.
func TestOutage(t *testing.T) {
	t.Parallel()
	server, port := testenv.StartRedis(t)
	proxy, url := testenv.ProxyURL(t, server.URL())
	one, two := newNode(t, url, nil), newNode(t, url, nil)
	a := newTester(t, one, "ann")
	newTester(t, two, "bob").on("lobby")
	a.watch("lobby")
	a.eventually("lobby", 2, "ann bob", false)
	admin := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})
	defer admin.Close()
	for name, fail := range map[string]func(){
		"cut":     proxy.Cut,
		"flushed": func() { admin.FlushAll(t.Context()) },
		"both":    func() { admin.FlushAll(t.Context()); proxy.Cut() }, // as at a restart without a file
	} {
		fail()
		for partial, here := false, map[string]bool{"ann": true, "bob": true}; ; {
			m := a.next()
			partial = partial || m.Partial
			m.applyTo(here)
			if len(here) != 2 || m.Clients != 2 {
				t.Errorf("%s: %v, %+v", name, here, m)
			}
			if partial && !m.Partial {
				break
			}
		}
		c := newTester(t, two, "cid").on("lobby")
		a.eventually("lobby", 3, "ann bob cid", false)
		c.on()
		a.eventually("lobby", 2, "ann bob", false)
		a.AppendMessages(nil, 1<<20)
	}
}

// TestCloseWhileRedisHangs proves that Close does not wait for a Redis that does not answer.
func TestCloseWhileRedisHangs(t *testing.T) {
	proxy, url := testenv.ProxyURL(t, testenv.Redis(t).URL())
	r := newNode(t, url, nil)
	a := newTester(t, r, "ann").on("lobby")
	a.eventually("lobby", 1, "ann", false)
	defer proxy.Freeze()()
	time.Sleep(2 * pollInterval) // so that it waits for an answer
	begin := time.Now()
	r.Close(testenv.Context(t))
	if waited := time.Since(begin); waited > 2500*time.Millisecond {
		t.Errorf("closed after %v", waited)
	}
}

// TestWithoutRedis proves that clients of this node are counted while Redis was never there, and that clients who have left
// need no memory.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	r := newNode(t, "redis://127.0.0.1:1", nil)
	a := newTester(t, r, "ann").on("lobby")
	a.eventually("lobby", 1, "ann", true)
	for i := range 100 {
		newTester(t, r, "bob").on(fmt.Sprint("room:", i)).on()
	}
	a.eventually("lobby", 1, "ann", true)
	a.on()
	testenv.Eventually(t, testenv.Wait, "empty", func() bool { return r.Channels() == 0 })
	r.empty(t)
}

// TestCountsOfNodesAreExact compares the sums of two nodes with a model, after random joins and leaves. PRESENCE_CHECKS is the number of
// random cases. Each takes about a second, because a channel has one message a second.
func TestCountsOfNodesAreExact(t *testing.T) {
	checks := os.Getenv("PRESENCE_CHECKS")
	if checks == "" {
		checks = "10"
	}
	if err := flag.Set("rapid.checks", checks); err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	url, client := testenv.Redis(t).URL(), testenv.RedisClient(t)
	nodes := []*Registry{newNode(t, url, nil), newNode(t, url, nil)}
	channels := []string{"lobby", "room:1", "room:2"}
	rapid.Check(t, func(t2 *rapid.T) {
		type key struct{ node, client int }
		clients, on := map[key]*tester{}, map[key][]string{}
		for range rapid.IntRange(1, 60).Draw(t2, "steps") {
			k := key{rapid.IntRange(0, 1).Draw(t2, "node"), rapid.IntRange(0, 5).Draw(t2, "client")}
			if clients[k] == nil {
				clients[k] = newTester(t, nodes[k.node], fmt.Sprint("s", k.client%4))
			}
			on[k] = rapid.SliceOfNDistinct(rapid.SampledFrom(channels), 0, 3, rapid.ID).Draw(t2, "channels")
			clients[k].on(on[k]...)
			if rapid.IntRange(0, 9).Draw(t2, "pause") == 0 {
				time.Sleep(roundPause)
			}
		}
		for _, name := range channels {
			count, subjects := 0, []string{}
			for k, names := range on {
				if slices.Contains(names, name) {
					count++
					subjects = append(subjects, fmt.Sprint("s", k.client%4))
				}
			}
			slices.Sort(subjects)
			want := strings.Join(slices.Compact(subjects), " ")
			for k, names := range on {
				if slices.Contains(names, name) {
					clients[k].eventually(name, count, want, false)
				}
			}
		}
		for _, c := range clients {
			c.on()
		}
		for _, r := range nodes {
			testenv.Eventually(t, testenv.Wait, "empty", func() bool { return r.Channels() == 0 })
			r.empty(t)
		}
		if n := fieldsIn(t, client, nodes[0].opts.Prefix); n != 0 {
			t2.Errorf("%d fields are left in Redis", n)
		}
	})
}
