package redisstream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// readHistory returns the positions of the history since a time.
func readHistory(t *testing.T, s *source, since time.Time) (positions []string) {
	t.Helper()
	err := s.ReadHistory(t.Context(), since, func(events []*event.Event) error {
		for _, e := range events {
			positions = append(positions, e.Position.String())
			if ms := int64(e.Position.Major); !e.Time.Equal(time.UnixMilli(ms)) {
				t.Errorf("the entry %v has the time %v", e.Position, e.Time)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return positions
}

// TestReadHistory: the history begins with the last entry before the time, has each later one once, and changes nothing in Redis.
func TestReadHistory(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	s := newSource(t, func(o *Options) { o.Stream, o.Name = "h", "a" })
	if got := readHistory(t, s, time.UnixMilli(1000)); len(got) != 0 {
		t.Errorf("a stream that does not exist has %v", got)
	}
	const n = 3*maxEntries + 7
	pipe := client.Pipeline()
	for i := range n {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "h", ID: fmt.Sprintf("%d-%d", 1000+i/2, 1+i%2), Values: []string{"n", fmt.Sprint(i)}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, begin := range []int{1000, 1001, 1100, 1000 + n/2, 1000 + n} {
		got := readHistory(t, s, time.UnixMilli(int64(begin)))
		first := max(2*(begin-1000)-1, 0) // the second entry of the millisecond before
		first = min(first, n-1)
		if len(got) != n-first {
			t.Fatalf("since %d: %d entries, want %d", begin, len(got), n-first)
		}
		for i, p := range got {
			if want := fmt.Sprintf("%d-%d", 1000+(first+i)/2, 1+(first+i)%2); p != want {
				t.Fatalf("since %d: entry %d is %s, want %s", begin, i, p, want)
			}
		}
	}
	if keys, err := client.Keys(t.Context(), "*").Result(); err != nil || len(keys) != 1 {
		t.Errorf("keys %v, %v", keys, err)
	}
}

// TestReadHistoryEnds: the error of take ends it, as does that of the context, and a group has no history.
func TestReadHistoryEnds(t *testing.T) {
	flushRedis(t)
	testenv.RedisClient(t).XAdd(t.Context(), &redis.XAddArgs{Stream: "h", Values: []string{"n", "1"}})
	s := newSource(t, func(o *Options) { o.Stream = "h" })
	broken := errors.New("broken")
	if err := s.ReadHistory(t.Context(), time.UnixMilli(0), func([]*event.Event) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.ReadHistory(ctx, time.UnixMilli(0), func([]*event.Event) error { cancel(); return nil }); err == nil {
		t.Error("a history that was cut short is taken for a whole one")
	}
	g := newSource(t, func(o *Options) { o.Stream, o.Group, o.Consumer = "h", "g", "c" })
	if err := g.ReadHistory(t.Context(), time.UnixMilli(0), func([]*event.Event) error { return nil }); !plugin.IsPermanent(err) {
		t.Errorf("the history of a group: %v", err)
	}
}
