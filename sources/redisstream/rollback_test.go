package redisstream

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestFailoverToALaggingReplica proves what happens where a replica without the latest entries becomes
// the master. All its entries arrive, also those with IDs below the last one read, and a gap is
// reported.
func TestFailoverToALaggingReplica(t *testing.T) {
	for name, c := range map[string]struct {
		set         func(*Options)
		readPending bool // the new master's clock is behind
		unsaved     bool // the sinks have not done with what was read last
	}{
		"kept":                    {func(o *Options) { o.Stream, o.Name = "s", "me" }, false, false},
		"kept, clock behind":      {func(o *Options) { o.Stream, o.Name = "s", "me" }, true, false},
		"kept, not acked":         {func(o *Options) { o.Stream, o.Name = "s", "me" }, true, true},
		"not kept, clock behind":  {func(o *Options) { o.Stream = "s" }, true, false},
		"group":                   {member("s", "a"), false, false},
		"group, not acked":        {member("s", "a"), false, true},
		"group, the clock behind": {member("s", "a"), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			master, port := testenv.StartRedis(t, "--repl-diskless-sync-delay", "0")
			_, replicaPort := testenv.StartRedis(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", port))
			a, b := client(t, port), client(t, replicaPort)
			appendTo(t, a, "", numbers(0, 100)...)
			hold := make(chan struct{})
			defer close(hold)
			r := start(t, func(o *Options) {
				c.set(o)
				o.URL = options.NewURL(fmt.Sprintf("redis://127.0.0.1:%d", port))
			}, func(b event.Batch) func() error {
				n, _ := strconv.Atoi(string(b.Events[0].Data))
				return func() error {
					if c.unsaved && n >= 200 && n < 1000 {
						<-hold
					}
					return nil
				}
			})
			appendTo(t, a, "", numbers(100, 100)...)
			await(t, r, numbers(100, 100))
			last := newest(t, a)
			if !c.unsaved {
				testenv.Eventually(t, testenv.Wait, "it is stored", func() bool { return storedAt(t, a) == last })
			}
			testenv.Eventually(t, testenv.Wait, "the replica has it", func() bool {
				return newest(t, b) == last && storedAt(t, b) == storedAt(t, a)
			})
			if err := b.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
				t.Fatal(err)
			}
			appendTo(t, a, "", numbers(200, 50)...) // are lost
			await(t, r, numbers(200, 50))
			lost := newest(t, a)
			if !c.unsaved {
				testenv.Eventually(t, testenv.Wait, "it is stored", func() bool { return storedAt(t, a) == lost })
			}
			after := ""
			if c.readPending {
				after = last
			}
			ms, _, _ := strings.Cut(lost, "-") // an entry of the same millisecond could have the same id
			testenv.Eventually(t, testenv.Wait, "the clock goes on", func() bool { return ms < strconv.FormatInt(time.Now().UnixMilli(), 10) })
			appendTo(t, b, after, numbers(1000, 100)...)
			master.Kill()
			if err := b.ConfigSet(t.Context(), "port", fmt.Sprint(port)).Err(); err != nil {
				t.Fatal(err)
			}
			await(t, r, numbers(1000, 100))
			if got := r.gap(); !strings.Contains(got, "was rolled back") {
				t.Errorf("gap: %s", got)
			}
			appendTo(t, client(t, port), "", "end")
			await(t, r, []string{"end"})
			if n := len(r.gaps); n != 0 {
				t.Errorf("%d gaps more: %s", n, <-r.gaps)
			}
		})
	}
}

func client(t *testing.T, port int) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})
	t.Cleanup(func() { c.Close() })
	return c
}

// appendTo appends payloads. Their IDs follow after, unless it is "".
func appendTo(t *testing.T, c *redis.Client, after string, payloads ...string) {
	t.Helper()
	ms, _, _ := strings.Cut(after, "-")
	for i, p := range payloads {
		args := &redis.XAddArgs{Stream: "s", Values: []string{"data", p}}
		if after != "" {
			args.ID = fmt.Sprintf("%s-%d", ms, 1_000+i)
		}
		if err := c.XAdd(testenv.Context(t), args).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func newest(t *testing.T, c *redis.Client) string {
	t.Helper()
	info, err := c.XInfoStream(t.Context(), "s").Result()
	if err != nil {
		return ""
	}
	return info.LastGeneratedID
}

// storedAt returns the position of a reader or a group in a server.
func storedAt(t *testing.T, c *redis.Client) string {
	t.Helper()
	if groups, err := c.XInfoGroups(t.Context(), "s").Result(); err == nil && len(groups) > 0 {
		return groups[0].LastDeliveredID
	}
	key := "{s}:position:me"
	if c.Exists(t.Context(), key).Val() == 0 {
		return newest(t, c)
	}
	return c.HGet(t.Context(), key, "id").Val()
}

// await waits for payloads, among others that come again.
func await(t *testing.T, r *running, payloads []string) {
	t.Helper()
	missing := map[string]bool{}
	for _, p := range payloads {
		missing[p] = true
	}
	deadline := time.After(testenv.Wait / 3)
	for len(missing) > 0 {
		select {
		case e := <-r.got:
			delete(missing, string(e.Data))
		case <-deadline:
			gap := ""
			if len(r.gaps) > 0 {
				gap = <-r.gaps
			}
			t.Fatalf("%d of %d are missing; gap %q", len(missing), len(payloads), gap)
		}
	}
}
