package redisstream

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// TestEveryLossIsAGap proves that all entries which are trimmed before they were read are counted in a
// gap, in all cases.
func TestEveryLossIsAGap(t *testing.T) {
	kept := func(o *Options) { o.Stream, o.Name = "s", "me" }
	shared := member("s", "a", func(o *Options) { o.From = "new" })
	trim := func(n int64) func(*testing.T, *redis.Client) {
		return func(t *testing.T, c *redis.Client) {
			add(t, "s", numbers(0, 10)...)
			if err := c.XTrimMaxLen(t.Context(), "s", n).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	atOnce := func(t *testing.T, c *redis.Client) {
		_, err := c.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
			for _, n := range numbers(0, 10) {
				p.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"data", n}})
			}
			p.XTrimMaxLen(t.Context(), "s", 2)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	recreate := func(t *testing.T, c *redis.Client) {
		if err := c.Del(t.Context(), "s").Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", ID: "1-1", Values: []string{"data", "young"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		set      func(*Options)
		before   []string
		while    bool // it runs meanwhile
		then     func(*testing.T, *redis.Client)
		gap      string
		arrives  []string
		arriving string // is added at last
	}{
		"kept, nothing before":     {kept, nil, false, trim(2), "8 entries were trimmed", []string{"8", "9"}, "y"},
		"kept, all is gone":        {kept, []string{"x"}, false, trim(0), "10 entries were trimmed", nil, "y"},
		"kept, while it waits":     {kept, []string{"x"}, true, atOnce, "8 entries were trimmed", []string{"8", "9"}, "y"},
		"not kept, while it waits": {func(o *Options) { o.Stream = "s" }, nil, true, atOnce, "8 entries were trimmed", []string{"8", "9"}, "y"},
		"kept, another stream":     {kept, []string{"x"}, false, recreate, "was recreated", []string{"young"}, ""},
		"from new, another stream": {func(o *Options) { o.Stream = "s" }, nil, true, recreate, "was recreated", []string{"young"}, ""},
		"group, nothing before":    {shared, nil, false, trim(2), "8 entries were trimmed", []string{"8", "9"}, "y"},
		"group, all is gone":       {shared, []string{"x"}, false, trim(0), "10 entries were trimmed", nil, "y"},
		"group, while it waits":    {shared, []string{"x"}, true, atOnce, "8 entries were trimmed", []string{"8", "9"}, "y"},
		"group, another stream":    {shared, []string{"x"}, false, recreate, "was deleted", []string{"young"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			flushRedis(t)
			client := testenv.RedisClient(t)
			if strings.Contains(name, "another") {
				add(t, "s", "old")
			}
			r := start(t, c.set, nil)
			add(t, "s", c.before...)
			r.want(c.before...)
			if !c.while {
				r.stop()
			}
			c.then(t, client)
			if !c.while {
				r = start(t, c.set, nil)
			}
			if got := r.gap(); !strings.Contains(got, c.gap) {
				t.Errorf("gap: %s", got)
			}
			r.want(c.arrives...)
			if c.arriving != "" {
				add(t, "s", c.arriving)
				r.want(c.arriving)
			}
			if n := len(r.gaps); n != 0 {
				t.Errorf("and another gap: %s", <-r.gaps)
			}
		})
	}
}

// TestTrimmedEntriesOfGoneConsumer proves that trimmed entries of a consumer that is gone are a gap.
func TestTrimmedEntriesOfGoneConsumer(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	ctx := testenv.Context(t)
	add(t, "s", numbers(0, 10)...)
	if err := client.XGroupCreate(ctx, "s", "g", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "dead", Streams: []string{"s", ">"}, Count: 10}).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.XTrimMaxLen(ctx, "s", 2).Err(); err != nil {
		t.Fatal(err)
	}
	r := start(t, member("s", "a"), nil)
	if got := r.gap(); !strings.Contains(got, "8 entries were trimmed before they were acked") {
		t.Errorf("gap: %s", got)
	}
	r.want("8", "9")
	testenv.Eventually(t, testenv.Wait, "all are acked", func() bool { n, _ := pending(t, client, "s"); return n == 0 })
}

// TestRollingRestart proves that a consumer which was taken over reads no more entries, so that its
// successor misses none.
func TestRollingRestart(t *testing.T) {
	flushRedis(t)
	never := make(chan struct{})
	defer close(never)
	a := start(t, member("s", "same"), func(event.Batch) func() error { return func() error { <-never; return errTakenOver } })
	add(t, "s", "1")
	a.want("1")
	b := start(t, member("s", "same"), nil)
	add(t, "s", numbers(2, 20)...)
	b.want(append([]string{"1"}, numbers(2, 20)...)...)
	if err := a.err(); !strings.Contains(err.Error(), "another gateway has taken over") {
		t.Errorf("the former one ends with %v", err)
	}
	a.stop()
}

// TestStartsAreGaps proves that a start without a stored position is a gap: earlier entries may be
// missing. Without a name that is each start.
func TestStartsAreGaps(t *testing.T) {
	for name, tc := range map[string]struct {
		set  func(*Options)
		want []int32 // gaps of the first start and of the second
	}{
		"nameless":   {func(o *Options) {}, []int32{1, 1}},
		"from start": {func(o *Options) { o.From = "start" }, []int32{0, 0}},
		"named":      {func(o *Options) { o.Name = "n" }, []int32{1, 0}},
		"group":      {func(o *Options) { o.Group, o.Consumer = "g", "c" }, []int32{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			stream := "starts of " + name
			if err := testenv.RedisClient(t).XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []string{"a", "b"}}).Err(); err != nil {
				t.Fatal(err)
			}
			for i, want := range tc.want {
				r := start(t, func(o *Options) { o.Stream, o.From = stream, "new"; tc.set(o) }, func(event.Batch) func() error { return func() error { return nil } })
				r.stop()
				if got := r.begun.Load(); got != want {
					t.Errorf("start %d: %d gaps, want %d", i+1, got, want)
				}
			}
		})
	}
}
