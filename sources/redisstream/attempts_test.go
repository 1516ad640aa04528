package redisstream

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// TestAttemptsSurviveAKill proves that a delayed entry does not block later ones, more than in_flight
// of them. Its failed attempts are loaded after a kill, also by another consumer.
func TestAttemptsSurviveAKill(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	last := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	never := make(chan struct{})
	patient := func(b event.Batch) func() error {
		if string(b.Events[0].Data) != "patient" {
			return func() error { return nil }
		}
		b.Ack.AttemptFailed(3, last)
		b.Ack.AttemptFailed(4, last)
		return func() error { <-never; return errors.New("killed") }
	}
	add(t, "days", "patient")
	r := start(t, member("days", "a"), patient)
	first := r.next()
	if first.Attempts != nil {
		t.Errorf("at first it says %+v", first.Attempts)
	}
	pipe := client.Pipeline()
	const n = 12_000
	for range n {
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "days", Values: []string{"data", "x"}})
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range n {
		r.next()
	}
	const attemptsKey = "{days}:group:g:tried"
	testenv.Eventually(t, testenv.Wait, "the others are acked", func() bool { n, _ := pending(t, client, "days"); return n == 1 })
	testenv.Eventually(t, testenv.Wait, "the attempts are saved", func() bool { return client.HLen(t.Context(), attemptsKey).Val() == 1 })
	close(never) // as a stop does: nothing more is saved
	r.stop()
	for _, consumer := range []string{"a", "b"} { // the second claims it
		again := start(t, member("days", consumer), func(event.Batch) func() error {
			if consumer == "b" {
				return func() error { return nil }
			}
			return func() error { return errors.New("killed") }
		})
		e := again.next()
		if e.ID != first.ID || e.Attempts == nil || *e.Attempts != (event.Attempts{Failed: 4, Last: last}) {
			t.Errorf("consumer %s: %s, %+v", consumer, e.ID, e.Attempts)
		}
		if consumer == "b" {
			testenv.Eventually(t, testenv.Wait, "nothing is left", func() bool {
				n, _ := pending(t, client, "days")
				return n == 0 && client.Exists(t.Context(), attemptsKey).Val() == 0
			})
		}
		again.stop()
	}
}

// TestNextRunEmitsOnlyNackedEntries proves that the next Run emits nacked entries again, and not those
// in flight, whose acks still count.
func TestNextRunEmitsOnlyNackedEntries(t *testing.T) {
	flushRedis(t)
	client := testenv.RedisClient(t)
	acks := make(chan func(error), 100)
	r := start(t, member("again", "a"), func(event.Batch) func() error {
		verdict := make(chan error, 1)
		acks <- func(err error) { verdict <- err }
		return func() error { return <-verdict }
	})
	add(t, "again", "kept")
	r.want("kept")
	keep := <-acks
	for _, payload := range numbers(0, 3) {
		add(t, "again", payload)
		r.want(payload)
		(<-acks)(errors.New("no"))
		r.err()
		r.want(payload)
		(<-acks)(nil)
	}
	keep(nil)
	testenv.Eventually(t, testenv.Wait, "all are acked", func() bool { n, _ := pending(t, client, "again"); return n == 0 })
	if len(r.got) > 0 {
		t.Errorf("%s came twice", (<-r.got).Data)
	}
}
