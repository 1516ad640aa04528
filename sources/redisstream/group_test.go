package redisstream

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

func member(stream, consumer string, more ...func(*Options)) func(*Options) {
	return func(o *Options) {
		o.Stream, o.Group, o.Consumer, o.From, o.ClaimAfter = stream, "g", consumer, "start", options.Duration(time.Second)
		for _, set := range more {
			set(o)
		}
	}
}

// pending returns how many entries of a group are not acked, and how many consumers it has.
func pending(t *testing.T, client *redis.Client, stream string) (entries int64, consumers int64) {
	t.Helper()
	groups, err := client.XInfoGroups(t.Context(), stream).Result()
	if err != nil || len(groups) != 1 {
		t.Fatal(groups, err)
	}
	return groups[0].Pending, groups[0].Consumers
}

// TestGroupShares proves that each entry goes to one member of the group, and is acked.
func TestGroupShares(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	a, b := start(t, member("share", "a"), nil), start(t, member("share", "b"), nil)
	seen := map[string]int{}
	for n := range 200 {
		add(t, "share", fmt.Sprint(n))
		select {
		case e := <-a.got:
			seen[string(e.Data)]++
		case e := <-b.got:
			seen[string(e.Data)]++
		case <-time.After(testenv.Wait):
			t.Fatal("it is lost")
		}
	}
	if len(seen) != 200 || len(a.got)+len(b.got) != 0 {
		t.Errorf("%d different events, and %d more", len(seen), len(a.got)+len(b.got))
	}
	testenv.Eventually(t, testenv.Wait, "all are acked", func() bool { n, _ := pending(t, client, "share"); return n == 0 })
}

// TestPendingEntriesComeFirst proves that unacked entries come again, before new ones.
func TestPendingEntriesComeFirst(t *testing.T) {
	flushRedis(t)
	never := make(chan struct{})
	defer close(never)
	add(t, "history", numbers(0, 1300)...)
	r := start(t, member("history", "a"), func(event.Batch) func() error {
		return func() error { <-never; return errors.New("stopped") }
	})
	r.want(numbers(0, 1300)...)
	r.stop()
	add(t, "history", "new")
	r = start(t, member("history", "a"), nil)
	r.want(append(numbers(0, 1300), "new")...)
}

// TestSlowConsumerKeepsItsEntries proves that others claim nothing of a consumer with slow sinks.
func TestSlowConsumerKeepsItsEntries(t *testing.T) {
	flushRedis(t)
	release := make(chan struct{})
	add(t, "slow", numbers(0, 700)...)
	slow := start(t, member("slow", "slow"), func(event.Batch) func() error { return func() error { <-release; return nil } })
	slow.want(numbers(0, 700)...)
	other := start(t, member("slow", "other"), nil)
	<-time.After(3 * time.Second) // three times claim_after: time itself is the matter
	if n := len(other.got) + len(slow.got); n != 0 {
		t.Errorf("%d events came again although their consumer lives", n)
	}
	close(release)
	testenv.Eventually(t, testenv.Wait, "all are acked", func() bool { n, _ := pending(t, testenv.RedisClient(t), "slow"); return n == 0 })
}

// TestClaimFromGoneConsumer proves that others claim the unacked entries of a consumer that is gone,
// and remove it.
func TestClaimFromGoneConsumer(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	ctx := testenv.Context(t)
	add(t, "gone", numbers(0, 700)...)
	if err := client.XGroupCreate(ctx, "gone", "g", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "dead", Streams: []string{"gone", ">"}, Count: 700}).Err(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	a, b := start(t, member("gone", "a"), nil), start(t, member("gone", "b"), nil)
	seen := map[string]bool{}
	for range 700 {
		select {
		case e := <-a.got:
			seen[string(e.Data)] = true
		case e := <-b.got:
			seen[string(e.Data)] = true
		case <-time.After(testenv.Wait):
			t.Fatalf("only %d events", len(seen))
		}
	}
	if took := time.Since(begin); len(seen) != 700 || took < 900*time.Millisecond {
		t.Errorf("%d different events after %v", len(seen), took)
	}
	testenv.Eventually(t, testenv.Wait, "all are acked, and the dead one is removed", func() bool { n, c := pending(t, client, "gone"); return n == 0 && c == 2 })
	if len(a.got)+len(b.got) != 0 {
		t.Error("some came twice")
	}
}

// TestMaxDeliveries proves that an entry which is never acked becomes a dead letter, and others do
// not.
func TestMaxDeliveries(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	set := member("poison", "a", func(o *Options) { o.MaxDeliveries = 3 })
	r := start(t, set, func(b event.Batch) func() error {
		err := error(nil)
		if b.DeadLetter == nil && string(b.Events[0].Data) == "poison" {
			err = errors.New("it hurts")
		}
		return func() error { return err }
	})
	add(t, "poison", "good")
	r.want("good")
	add(t, "poison", "poison")
	r.want("poison", "poison", "poison", "poison")
	r.mu.Lock()
	refused := fmt.Sprint(r.refused)
	r.mu.Unlock()
	if refused != "[poison]" {
		t.Errorf("refused: %s", refused)
	}
	add(t, "poison", "after")
	r.want("after")
	testenv.Eventually(t, testenv.Wait, "all are acked", func() bool { n, _ := pending(t, client, "poison"); return n == 0 })
}

// TestTrimmedWhilePending proves that entries which were trimmed before they were acked, or read, are
// a gap.
func TestTrimmedWhilePending(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	never := make(chan struct{})
	defer close(never)
	add(t, "cut", "1", "2", "3")
	r := start(t, member("cut", "a"), func(event.Batch) func() error {
		return func() error { <-never; return errors.New("stopped") }
	})
	r.want("1", "2", "3")
	r.stop()
	add(t, "cut", "4", "5", "6")
	if err := client.XTrimMaxLen(t.Context(), "cut", 1).Err(); err != nil {
		t.Fatal(err)
	}
	r = start(t, member("cut", "a"), nil)
	gaps := r.gap() + "; " + r.gap()
	if !strings.Contains(gaps, "3 entries were trimmed before they were acked") || !strings.Contains(gaps, "2 entries were trimmed or deleted before they were read") {
		t.Errorf("gaps: %s", gaps)
	}
	r.want("6")
	testenv.Eventually(t, testenv.Wait, "all are acked", func() bool { n, _ := pending(t, client, "cut"); return n == 0 })
	if err := client.Del(t.Context(), "cut").Err(); err != nil { // and the group with it
		t.Fatal(err)
	}
	if got := r.gap(); !strings.Contains(got, "the group g was deleted") {
		t.Errorf("gap: %s", got)
	}
	add(t, "cut", "7")
	r.want("7")
}

// TestTakeoverOfAConsumer proves that the earlier reader of a consumer ends with an error.
func TestTakeoverOfAConsumer(t *testing.T) {
	flushRedis(t)
	a := start(t, member("same", "a"), nil)
	var acks atomic.Int64
	b := start(t, member("same", "a"), func(event.Batch) func() error { acks.Add(1); return func() error { return nil } })
	add(t, "same", "1")
	if err := a.err(); !errors.Is(err, errTakenOver) {
		t.Errorf("the former one ends with %v", err)
	}
	a.stop()
	b.stop()
}
